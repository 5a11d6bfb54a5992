"""Whoever is cancelled, wherever: the connection comes back, outside any transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atalaia.database import Pool
from atalaia.errors import Transient
from tests.system.postgres import end_sessions, eventually, sessions_of

NAME = "pool-of-the-cancelled"
MOST = 2


class CancelledAt:
    """Awaits another, and has its own task cancelled while it waits for the `step`-th time."""

    def __init__(self, awaited: Awaitable[object], *steps: int) -> None:
        self._awaited = awaited
        self._steps = steps
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        inner: Any = self._awaited.__await__()
        task = asyncio.current_task()
        assert task is not None
        send, value = inner.send, None
        while True:
            try:
                waiting_for = send(value)
            except StopIteration:
                return
            self.waits += 1
            if self.waits in self._steps:
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                send, value = inner.send, (yield waiting_for)
            except BaseException as error:  # noqa: BLE001 - passed on as it came
                send, value = inner.throw, error


async def session(pool: Pool) -> None:
    async with pool.session() as connection:
        await connection.fetchval("SELECT $1::int", 1)


async def transaction(pool: Pool) -> None:
    async with pool.transaction(isolation="serializable") as connection:
        await connection.execute("INSERT INTO t DEFAULT VALUES")
        await connection.fetchval("SELECT count(*) FROM t")


async def left_behind(pool: Pool) -> None:
    async with pool.session() as connection:
        await connection.execute("BEGIN")
        await connection.execute("SET search_path TO pg_catalog")
        await connection.execute("ROLLBACK")


async def read(pool: Pool) -> None:
    await pool.read(lambda connection: connection.fetchval("SELECT count(*) FROM t"))


async def write(pool: Pool) -> None:
    await pool.write(lambda connection: connection.execute("INSERT INTO t DEFAULT VALUES"))


async def pinged(pool: Pool) -> None:
    pool._check_after_idle_s = -1.0
    await session(pool)


async def recycled(pool: Pool) -> None:
    pool._recycle_s = 0.0
    await session(pool)


USES = [session, transaction, left_behind, read, write, pinged, recycled]


async def is_whole(pool: Pool, url: str) -> None:
    """Nobody holds anything, on either side, and all places of the pool can be had."""
    await eventually(lambda: _used(pool), 0)
    assert pool._asked == 0
    await eventually(lambda: _busy(url), [])
    async with asyncio.timeout(10):
        async with pool.session() as first, pool.session() as second:
            assert await first.fetchval("SELECT 1") + await second.fetchval("SELECT 1") == 2
    assert len(await sessions_of(url, NAME)) <= MOST


async def _used(pool: Pool) -> int:
    return pool.metrics.sizes().used


async def _busy(url: str) -> list[tuple[int, str]]:
    return [(process, state) for process, state in await sessions_of(url, NAME) if state != "idle"]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, kept=1, most=MOST, application=NAME)
    async with pool.session() as connection:
        await connection.execute("CREATE TABLE t (at timestamptz DEFAULT now())")
    yield pool
    await pool.close()


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("use", USES)
async def test_cancelled_at_any_await_a_use_leaves_nothing_behind(
    use: Callable[[Pool], Awaitable[None]], warm: bool, pool: Pool, database_url: str
) -> None:
    step = 0
    while True:
        step += 1
        cancelled = CancelledAt(use(pool), step)
        with suppress(asyncio.CancelledError):
            await asyncio.ensure_future(_as_task(cancelled))
        await is_whole(pool, database_url)
        if cancelled.waits < step:
            break
        if not warm:  # the next try connects first
            await end_sessions(database_url, NAME)
    assert step > 2


async def _as_coroutine(use: Callable[[Pool], Awaitable[None]], pool: Pool) -> None:
    await use(pool)


async def _as_task(awaited: Awaitable[None]) -> None:
    await awaited


async def test_cancelled_while_waiting_for_a_connection_nobody_is_skipped(
    pool: Pool, database_url: str
) -> None:
    async with pool.session(), pool.session():
        waiters = [asyncio.create_task(session(pool)) for _ in range(10)]
        await eventually(lambda: _waiting(pool), 10)
        for waiter in waiters[::2]:
            waiter.cancel()
    results = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 10)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 5
    await is_whole(pool, database_url)


async def _waiting(pool: Pool) -> int:
    return pool.metrics.sizes().waiting


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), chance=st.floats(0.05, 0.9))
def test_a_storm_of_cancellations_leaves_nothing_behind(servers: Any, seed: int, chance: float) -> None:
    asyncio.run(_storm(servers.postgres.url, random.Random(seed), chance))


async def _storm(url: str, dice: random.Random, chance: float) -> None:
    pool = Pool(url, kept=1, most=MOST, application=NAME)
    async with pool.session() as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS t (at timestamptz DEFAULT now())")
    tasks = [asyncio.create_task(_as_coroutine(dice.choice(USES), pool)) for _ in range(60)]
    while not all(task.done() for task in tasks):
        for task in tasks:
            if dice.random() < chance / 20:
                task.cancel()
        await asyncio.sleep(0)
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert result is None or isinstance(result, asyncio.CancelledError | Transient), result
    await is_whole(pool, url)
    await pool.close()
