"""A word among replicas: something was committed that another of them is to deliver."""

from __future__ import annotations

from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia.events.subjects import rpc_subject

SUBJECT = rpc_subject("alerting", "woken")


class Wakeup:
    """Only a hint: whoever misses it looks by itself within a second."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def listen(self, hear: Callable[[], None]) -> None:
        async def heard(message: Msg) -> None:
            hear()

        await self._client.subscribe(SUBJECT, cb=heard)

    async def tell(self) -> None:
        """Have every replica look, this one, too; without the broker they do so by themselves."""
        if not self._client.is_connected:
            return
        try:
            await self._client.publish(SUBJECT, b"")
        except (nats.errors.Error, OSError):
            return
