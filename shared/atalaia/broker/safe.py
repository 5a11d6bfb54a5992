"""A FastStream broker that outlives refused credentials and an absent server."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Any

import nats.errors
from faststream import AckPolicy
from faststream.nats import NatsBroker
from nats.aio.client import Client

from atalaia import log as _log
from atalaia.broker.connection import PING_EVERY_S, PINGS_UNANSWERED, EnduringClient, close, flush
from atalaia.errors import Transient
from atalaia.resilience.ending import bounded
from atalaia.urls import brokers

_log_ = _log.get("broker")


class SafeNatsBroker(NatsBroker):
    """Keeps trying after an authorization error on a reconnect, and stops cleanly without a server."""

    def _log_connection_broken(self, error_cb: Any = None) -> Any:
        inner = super()._log_connection_broken(error_cb)

        async def wrapper(error: Exception) -> None:
            try:
                await inner(error)
            except nats.errors.Error:
                if self._connection is None:
                    raise
                _log_.error("broker_refuses_credentials", error=str(error))

        return wrapper

    async def _connect(self) -> Client:
        client = EnduringClient()
        await client.connect(**self._connection_kwargs)
        self.config.connect(client)
        return client

    async def start(self) -> None:
        """Start; cancelled in the middle, let the connection stand first, so that it can be closed."""
        starting = asyncio.ensure_future(super().start())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting}, timeout=1)
            starting.cancel()
            raise

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        connection = self._connection
        try:
            if connection is not None:
                await flush(connection, within_s=1)  # or draining would wait for long, whatever it is told
            if await bounded(super().stop(exc_type, exc_val, exc_tb), within_s=5):
                return
        except (Transient, nats.errors.Error, TimeoutError):
            pass
        if connection is not None:
            await close(connection, within_s=0)


def faststream_broker(url: str, *, name: str) -> SafeNatsBroker:
    """Return a broker, not yet connected, with the project's defaults."""
    logger = logging.getLogger("atalaia.faststream")
    return SafeNatsBroker(
        brokers(url),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; fractions work
        connect_timeout=2,
        ping_interval=PING_EVERY_S,
        max_outstanding_pings=PINGS_UNANSWERED,
        graceful_timeout=5,
        logger=logger,
        log_level=logging.DEBUG,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
