"""The broker: one hardened way to connect, and the streams as they should be."""

from atalaia.broker.connection import EnduringClient, close, connect, flush
from atalaia.broker.pipeline import Outgoing, Pipeline
from atalaia.broker.publish import publish
from atalaia.broker.topology import ensure_streams

__all__ = [
    "EnduringClient",
    "Outgoing",
    "Pipeline",
    "close",
    "connect",
    "ensure_streams",
    "flush",
    "publish",
]
