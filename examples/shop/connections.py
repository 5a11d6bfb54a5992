"""Two ways to a connection: from a pool, or a new one for each request, as many an application begins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import asyncpg

from atalaia.database import Pool
from examples.shop.settings import ShopSettings


class Connections(Protocol):
    """Lends a connection of asyncpg's kind."""

    def session(self) -> AbstractAsyncContextManager[Any]: ...

    async def close(self) -> None: ...


class OneEach:
    """Connects for whoever asks, and hangs up afterwards."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self._url, server_settings={"application_name": "shop"})
        try:
            yield connection
        finally:
            await connection.close()

    async def close(self) -> None:
        return


def connections(settings: ShopSettings) -> Connections:
    if not settings.pool:
        return OneEach(settings.database_url)
    return Pool(settings.database_url, kept=5, most=20, application="shop", acquire_timeout_s=5.0)
