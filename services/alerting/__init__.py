"""Alerting: metrics come in from the stream, alert transitions go out, Postgres remembers.

In: `ATALAIA_METRICS`, `atalaia.rpc.alerting.resolve`. Out: `ATALAIA_ALERTS`, `ATALAIA_DEAD`.
"""
