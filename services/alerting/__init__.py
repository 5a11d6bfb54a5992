"""Alerting: metrics come in from the stream, alert transitions go out, Postgres remembers.

In: `ATALAIA_METRICS`, `atalaia.rpc.alerting.<verb>`. Out: `ATALAIA_ALERTS`, `ATALAIA_DEAD`, and messages to
the channels people are told by.
"""
