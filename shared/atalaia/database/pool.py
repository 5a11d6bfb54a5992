"""A pool of connections: 20 kept, up to 50 under load, each known to be alive before it is lent."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg

from atalaia import log as _log
from atalaia.database.errors import FOREIGN, Kind, Trouble
from atalaia.database.metrics import DatabaseMetrics, Sizes
from atalaia.database.retries import run_transaction
from atalaia.database.session import Connection, Isolation, Session, Transaction
from atalaia.database.watched import Fitness, ResetWhen, SlowStatement, WatchedConnection
from atalaia.errors import Transient
from atalaia.resilience.ending import bounded

T = TypeVar("T")
_log_ = _log.get("database")
PING_WITHIN_S = 2.0
RESET_WITHIN_S = 2.0
CONNECT_WITHIN_S = 5.0
UNBOUNDED = 2**31
STATEMENTS_PREPARED = 100  # of one connection, the last used


class Pool:
    """Lends connections. Making it needs neither the server nor a running loop: the first use does."""

    def __init__(
        self,
        url: str,
        *,
        kept: int = 20,
        most: int = 50,
        shrink_after_s: float = 60.0,
        recycle_s: float = 3600.0,
        check_after_idle_s: float = 3.0,
        acquire_timeout_s: float = 30.0,
        statement_timeout_s: float = 30.0,
        retry_within_s: float = 15.0,
        slow_s: float = 1.0,
        reset_always: bool = False,
        transaction_pooling: bool = False,
        server_settings: Mapping[str, str] | None = None,
        application: str = "atalaia",
    ) -> None:
        """Set the limits.

        Args:
            kept: stay open however idle they are; they are opened as they are needed.
            shrink_after_s: what is beyond `kept` closes after so long without use.
            recycle_s: a connection's age, less up to a tenth by lot, at which it is replaced.
            check_after_idle_s: who was idle longer is asked before it is lent.
            retry_within_s: how long `read` and `write` go on trying.
            reset_always: ask the server to forget session state after every use, not only after
                statements whose text shows that they leave some (SET, LISTEN, advisory locks, …).
            transaction_pooling: a proxy stands between that may hand each transaction
                to another server connection (PgBouncer's `pool_mode = transaction`).
            server_settings: Postgres' settings for our sessions, such as `plan_cache_mode`; not with
                `transaction_pooling`, whose proxies refuse them.
            application: what Postgres calls our sessions, and the pool's name in its metrics.
        """
        if not 0 <= kept <= most or most < 1:
            raise ValueError(f"a pool keeps 0 ≤ kept ≤ most connections, not {kept} of {most}")
        self._url = url
        self._kept, self._most = kept, most
        self._shrink_after_s = shrink_after_s
        self._recycle_s = recycle_s
        self._check_after_idle_s = check_after_idle_s
        self._acquire_timeout_s = acquire_timeout_s
        self._statement_timeout_s = statement_timeout_s
        self._retry_within_s = retry_within_s
        self._slow_s = slow_s
        self._transaction_pooling = transaction_pooling
        self._server_settings = {} if transaction_pooling else dict(server_settings or {})
        self._reset_when = ResetWhen.of(always=reset_always, transaction_pooling=transaction_pooling)
        self._application = application
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._closed = False
        self._asked = 0  # callers that hold a connection or are about to
        self._waiting = 0
        self._trusted_since_s = 0.0
        self.metrics = DatabaseMetrics(application, self._sizes)

    def session(self) -> Session:
        """Lend a live connection, `async with`; it comes back whatever happens inside.

        Raises:
            Transient: the database is away or slow, or all connections are in use for too long.
            Misconfigured: the URL is not one.
        """
        return Session(self)

    def transaction(self, *, isolation: Isolation | None = None, read_only: bool = False) -> Transaction:
        """Lend a connection in a transaction: committed at the end, rolled back by any error.

        Raises:
            Transient: as `session`; nothing has been changed.
            Uncertain: (a `Transient`) the connection was lost during COMMIT.
            Invalid: a write where `read_only` was asked for; or the end was reached after an error
                inside had been caught, and Postgres has therefore undone it all.
        """
        return Transaction(self, isolation, read_only)

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `work` returns in a transaction that the server keeps from writing.

        `work` may run more than once: lost connections and conflicts start it anew.

        Raises:
            Transient: still no success after `retry_within_s`, or what trying again does not help.
            Invalid: `work` tried to write.
        """
        return await self._run(work, lambda: self.transaction(read_only=True))

    async def write(
        self, work: Callable[[Connection], Awaitable[T]], *, isolation: Isolation | None = None
    ) -> T:
        """Return what `work` returns in a transaction that is committed at most once.

        `work` may run more than once, each time on a clean slate: what an earlier
        run did *in the database* is undone. What it did elsewhere is not.

        Raises:
            Transient: still no success after `retry_within_s`, or what trying again does not help.
            Uncertain: (a `Transient`) the connection was lost during COMMIT; it is not tried again.
        """
        return await self._run(work, lambda: self.transaction(isolation=isolation))

    async def close(self, *, within_s: float = 3.0) -> None:
        """Close all connections, after at most `within_s` by force. A closed pool lends nothing."""
        self._closed = True
        if self._pool is None:
            return
        try:
            if await bounded(self._pool.close(), within_s=within_s):
                return
        except FOREIGN:
            pass
        self._pool.terminate()

    async def _run(self, work: Callable[[Connection], Awaitable[T]], begin: Callable[[], Transaction]) -> T:
        def retried() -> None:
            self.metrics.retries += 1

        return await run_transaction(work, begin, within_s=self._retry_within_s, retried=retried)

    async def acquire(self) -> Connection:
        """Lend a connection that `release` gets back. `session` does both."""
        self._asked += 1
        try:
            pool = self._pool or await self._open()
            if self._asked <= self._most:
                # one is free or can be opened, which has its own limit: no clock needs to be set
                self.metrics.unwaited += 1
                return await self._lend(pool)
            return await self._wait(pool)
        except BaseException:
            self._asked -= 1
            raise

    async def release(self, connection: Connection) -> None:
        """Take a connection back: it forgets its session, or dies. Runs to its end even if cancelled."""
        assert self._pool is not None
        try:
            await self._pool.release(connection, timeout=RESET_WITHIN_S)
        except FOREIGN:  # asyncpg has dropped it
            return
        finally:
            self._asked -= 1

    def distrust(self) -> None:
        """Lend none of the present connections any more: who was the primary is it no longer."""
        self._trusted_since_s = time.monotonic()

    async def _open(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._closed:
            raise Transient("postgres: the pool is closed")
        pool = asyncpg.create_pool(
            self._url,
            min_size=0,  # a floor here would have to be connected before anybody is served
            max_size=self._most,
            max_queries=UNBOUNDED,
            max_inactive_connection_lifetime=self._shrink_after_s,
            command_timeout=self._statement_timeout_s,
            timeout=min(CONNECT_WITHIN_S, self._acquire_timeout_s),
            connection_class=WatchedConnection,
            init=self._watch,
            server_settings={**self._server_settings, "application_name": self._application},
            statement_cache_size=0 if self._transaction_pooling else STATEMENTS_PREPARED,
        )
        await pool  # connects nothing, so nobody can come in between
        pool._minsize = self._kept  # type: ignore[attr-defined]
        self._pool = pool
        return pool

    async def _lend(self, pool: asyncpg.Pool[asyncpg.Record]) -> Connection:
        while True:
            connection: Any = await pool.acquire()
            now_s, track = time.monotonic(), connection.track
            fitness = track.fitness(now_s, self._check_after_idle_s, self._trusted_since_s)
            if fitness is Fitness.UNPROVEN:
                fitness = await self._ask(connection)
            if fitness is Fitness.GOOD:
                track.proved_s = now_s
                lent: Connection = connection
                return lent
            self.metrics.recycled += fitness is Fitness.AGED
            _drop(connection)

    async def _wait(self, pool: asyncpg.Pool[asyncpg.Record]) -> Connection:
        began_s = time.monotonic()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._acquire_timeout_s) as limit:
                return await self._lend(pool)
        except TimeoutError as error:
            if not limit.expired():  # connecting took too long
                raise
            self.metrics.timeouts += 1
            raise Trouble(
                f"postgres: no connection within {self._acquire_timeout_s:g} s, {self._most} are in use",
                Kind.BUSY,
            ) from error
        finally:
            self._waiting -= 1
            self.metrics.waited(time.monotonic() - began_s)

    async def _watch(self, connection: Any) -> None:
        connection.track.retires_s = time.monotonic() + self._recycle_s * random.uniform(0.9, 1.0)
        connection.slow_s, connection.tell = self._slow_s, self._tell_slow
        connection.reset_when = self._reset_when

    def _tell_slow(self, slow: SlowStatement) -> None:
        self.metrics.slow_statements += 1
        _log_.warning(
            "slow_statement",
            duration_s=round(slow.duration_s, 3),
            statement=slow.statement,
            caller=slow.caller or "unknown",
        )

    async def _ask(self, connection: Any) -> Fitness:
        began_s = time.monotonic()
        try:
            await connection.execute("SELECT 1", timeout=PING_WITHIN_S)
        except FOREIGN:
            self.metrics.failed_checks += 1
            # the others that have been idle as long are not asked one by one, each for as long as the limit
            self._trusted_since_s = max(self._trusted_since_s, began_s - self._check_after_idle_s)
            return Fitness.SUSPECT
        except asyncio.CancelledError:
            _drop(connection)
            raise
        return Fitness.GOOD

    def _sizes(self) -> Sizes:
        size = self._pool.get_size() if self._pool else 0
        idle = self._pool.get_idle_size() if self._pool else 0
        return Sizes(used=size - idle, idle=idle, waiting=self._waiting, kept=self._kept, most=self._most)


def _drop(connection: Any) -> None:
    """End it at once; asyncpg frees its place."""
    with suppress(asyncpg.InterfaceError):  # it has ended, and left the pool, by itself
        connection.terminate()
