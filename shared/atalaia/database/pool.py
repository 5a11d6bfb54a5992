"""A pool of connections: 20 kept, up to 50 under load, each known to be alive before it is lent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from atalaia import log as _log
from atalaia.database.errors import ours
from atalaia.errors import Transient

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
_log_ = _log.get("database")
PING_WITHIN_S = 2.0
SLOW_S = 1.0


class _Aged(asyncpg.Connection):
    """A connection that knows when it was made and last used (seconds, monotonic)."""

    __slots__ = ("born_s", "used_s")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.born_s = self.used_s = time.monotonic()

    def touch(self) -> None:
        self.used_s = time.monotonic()


class Pool:
    """Lends connections. Opening does not need the server: the first use does."""

    def __init__(
        self,
        url: str,
        *,
        kept: int = 20,
        most: int = 50,
        recycle_s: float = 3600.0,
        check_after_idle_s: float = 3.0,
        acquire_timeout_s: float = 30.0,
        statement_timeout_s: float = 30.0,
        application: str = "atalaia",
    ) -> None:
        self._url = url
        self._kept, self._most = kept, most
        self._recycle_s = recycle_s
        self._check_after_idle_s = check_after_idle_s
        self._acquire_timeout_s = acquire_timeout_s
        self._statement_timeout_s = statement_timeout_s
        self._application = application
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self.waiting = 0
        self.wait_s = 0.0
        self.recycled = 0
        self.failed_checks = 0
        self.slow_statements = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Lend a live connection; it comes back whatever happens inside.

        Raises:
            Transient: the database is away or slow, or all connections are in use for too long.
        """
        with ours():
            connection = await self._acquire()
            try:
                yield connection
            finally:
                await self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction: committed at the end, rolled back by any error.

        Raises:
            Transient: as `session`; whether a commit that was cut off took effect is then unknown.
        """
        async with self.session() as connection, connection.transaction():
            yield connection

    def metrics(self) -> dict[str, float]:
        """Return the pool's gauges by series name."""
        size = self._pool.get_size() if self._pool else 0
        idle = self._pool.get_idle_size() if self._pool else 0
        return {
            "db.client.connection.count": float(size),
            "db.client.connection.used": float(size - idle),
            "db.client.connection.max": float(self._most),
            "db.client.connection.pending_requests": float(self.waiting),
            "db.client.connection.wait_time": self.wait_s,
            "db.client.connection.recycled": float(self.recycled),
            "db.client.connection.failed_checks": float(self.failed_checks),
        }

    async def close(self, *, within_s: float = 3.0) -> None:
        """Close all connections, after at most `within_s` by force."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._pool.terminate()

    async def _acquire(self) -> Connection:
        began = time.monotonic()
        deadline = began + self._acquire_timeout_s
        self.waiting += 1
        try:
            while True:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise Transient(f"postgres: no connection within {self._acquire_timeout_s:g} s")
                pool = await self._opened(left_s)
                connection = await pool.acquire(timeout=left_s)
                if await self._usable(connection):
                    return connection
                await self._discard(pool, connection)
        finally:
            self.waiting -= 1
            self.wait_s += time.monotonic() - began

    async def _opened(self, within_s: float) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is not None:
            return self._pool
        async with self._opening:
            if self._pool is None:
                pool = asyncpg.create_pool(
                    self._url,
                    min_size=self._kept,
                    max_size=self._most,
                    max_queries=2**31,
                    max_inactive_connection_lifetime=60.0,
                    command_timeout=self._statement_timeout_s,
                    timeout=min(5.0, within_s),
                    connection_class=_Aged,
                    init=self._watch,
                    server_settings={"application_name": self._application},
                )
                await pool
                self._pool = pool
        return self._pool

    async def _watch(self, connection: Any) -> None:
        connection.add_query_logger(self._on_statement)

    def _on_statement(self, record: Any) -> None:
        if record.elapsed >= SLOW_S:
            self.slow_statements += 1
            statement = " ".join(record.query.split())[:200]  # never the parameters: they may be secrets
            _log_.warning("slow_statement", seconds=round(record.elapsed, 3), statement=statement)

    async def _usable(self, connection: Any) -> bool:
        try:
            now = time.monotonic()
            if now - connection.born_s > self._recycle_s:
                self.recycled += 1
                return False
            if now - connection.used_s > self._check_after_idle_s:
                await connection.fetchval("SELECT 1", timeout=PING_WITHIN_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, AttributeError):
            self.failed_checks += 1
            return False
        except asyncio.CancelledError:
            connection.terminate()
            raise
        return True

    async def _discard(self, pool: asyncpg.Pool[asyncpg.Record], connection: Any) -> None:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, AttributeError):
            connection.terminate()
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await pool.release(connection)

    async def _release(self, connection: Any) -> None:
        assert self._pool is not None
        with suppress(asyncpg.InterfaceError, AttributeError):  # the connection died inside
            connection.touch()
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # reset failed: it is dropped
            await self._pool.release(connection)
