"""The pool on a real Postgres that is well: sizes, limits, recycling, what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from atalaia.database import Pool
from atalaia.errors import Invalid, Transient
from tests.system.postgres import eventually, held, sessions_of

NAME = "pool-under-test"
Make = Callable[..., Pool]


@pytest.fixture
async def make(database_url: str) -> AsyncIterator[Make]:
    pools: list[Pool] = []

    def made(**limits: object) -> Pool:
        pool = Pool(database_url, **{"application": NAME, **limits})  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield made
    for pool in pools:
        await pool.close()


async def open_now(pool: Pool) -> int:
    sizes = pool.metrics.sizes()
    return sizes.used + sizes.idle


async def test_it_grows_under_load_and_shrinks_to_what_is_kept(make: Make, database_url: str) -> None:
    pool = make(kept=3, most=12, shrink_after_s=0.3)
    async with held(pool, 12):
        assert pool.metrics.sizes().used == 12
        assert len(await sessions_of(database_url, NAME)) == 12
    await eventually(lambda: open_now(pool), 3)
    assert len(await sessions_of(database_url, NAME)) == 3


async def test_the_kept_stay_however_idle_they_are(make: Make) -> None:
    pool = make(kept=2, most=4, shrink_after_s=0.1)
    async with held(pool, 4):
        pass
    await eventually(lambda: open_now(pool), 2)
    with pytest.raises(AssertionError):  # ten times as long, and still there
        await eventually(lambda: open_now(pool), 1, within_s=1.0)


async def test_when_all_are_in_use_the_caller_waits_as_long_as_allowed(make: Make) -> None:
    pool = make(kept=1, most=2, acquire_timeout_s=0.3)
    async with held(pool, 2):
        with pytest.raises(Transient, match=r"no connection within 0.3 s, 2 are in use"):
            async with pool.session():
                pass
    assert pool.metrics.timeouts == 1
    async with pool.session() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_who_waits_is_served_when_one_comes_back(make: Make) -> None:
    pool = make(kept=1, most=1)
    async with held(pool, 1):
        waiter = asyncio.create_task(pool.read(lambda connection: connection.fetchval("SELECT 7")))
        await eventually(lambda: _value(pool.metrics.sizes().waiting), 1)
    assert await asyncio.wait_for(waiter, 5) == 7
    (waits,) = pool.metrics.histograms().values()
    assert waits.count == 2
    assert waits.sum > 0


async def test_a_statement_over_its_limit_fails_and_its_connection_lives(
    make: Make, database_url: str
) -> None:
    pool = make(kept=1, most=1, statement_timeout_s=0.2)
    with pytest.raises(Transient):
        async with pool.session() as connection:
            await connection.execute("SELECT pg_sleep(20)")
    before = await sessions_of(database_url, NAME)
    async with pool.session() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert await sessions_of(database_url, NAME) == before
    assert await active(database_url) == 0


async def test_an_aged_connection_is_replaced_between_uses_never_within_one(
    make: Make, database_url: str
) -> None:
    pool = make(kept=1, most=1, recycle_s=0.5)
    async with pool.session() as connection:
        first = connection.get_server_pid()
        await connection.execute("SELECT pg_sleep(0.6)")
        assert await connection.fetchval("SELECT pg_backend_pid()") == first
    async with pool.session() as connection:
        assert connection.get_server_pid() != first
    assert pool.metrics.recycled == 1
    assert pool.metrics.failed_checks == 0


async def test_not_all_connections_retire_at_once(make: Make) -> None:
    pool = make(kept=8, most=8, recycle_s=3600.0)
    async with held(pool, 8) as connections:
        retirements = {connection.track.retires_s - connection.track.born_s for connection in connections}  # type: ignore[attr-defined]
    assert len(retirements) == 8
    assert all(3240 <= seconds <= 3601 for seconds in retirements)


async def test_an_error_rolls_back_and_passes_as_it_is(make: Make) -> None:
    pool = make(kept=1, most=1)
    await create(pool)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            await connection.execute("INSERT INTO t VALUES (1)")
    assert await pool.read(lambda c: c.fetchval("SELECT count(*) FROM t")) == 0


async def test_an_error_that_was_caught_inside_is_not_taken_for_a_commit(make: Make) -> None:
    pool = make(kept=1, most=1)
    await create(pool)
    with pytest.raises(Invalid, match="nothing was committed"):
        async with pool.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            with suppress(asyncpg.UniqueViolationError):
                await connection.execute("INSERT INTO t VALUES (1)")
    assert await pool.read(lambda c: c.fetchval("SELECT count(*) FROM t")) == 0


async def test_an_error_caught_around_a_savepoint_costs_no_more_than_that(make: Make) -> None:
    pool = make(kept=1, most=1)
    await create(pool)
    async with pool.transaction() as connection:
        await connection.execute("INSERT INTO t VALUES (1)")
        with suppress(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute("INSERT INTO t VALUES (1)")
    assert await pool.read(lambda c: c.fetchval("SELECT count(*) FROM t")) == 1


async def test_the_callers_own_timeout_is_not_blamed_on_postgres(make: Make) -> None:
    pool = make(kept=1, most=1)
    with pytest.raises(TimeoutError, match="mine"):
        async with pool.session():
            raise TimeoutError("mine")


async def test_a_transaction_has_the_isolation_asked_for(make: Make) -> None:
    pool = make()
    async with pool.transaction(isolation="serializable", read_only=True) as connection:
        assert await connection.fetchval("SHOW transaction_isolation") == "serializable"
        assert await connection.fetchval("SHOW transaction_read_only") == "on"


async def test_a_write_where_only_reading_was_asked_for_is_the_callers_mistake(make: Make) -> None:
    pool = make()
    await create(pool)
    with pytest.raises(Invalid, match="only reads"):
        await pool.read(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))


@pytest.mark.parametrize(
    "leave", ["SET statement_timeout = 12345", "SELECT set_config('statement_timeout', '12345', false)"]
)
async def test_what_a_session_set_is_gone_for_the_next(make: Make, leave: str) -> None:
    pool = make(kept=1, most=1)
    async with pool.session() as connection:
        await connection.execute(leave)
    async with pool.session() as connection:
        assert await connection.fetchval("SHOW statement_timeout") == "0"


async def test_a_lock_that_was_left_is_released(make: Make, database_url: str) -> None:
    pool = make(kept=1, most=1)
    async with pool.session() as connection:
        await connection.execute("SELECT pg_advisory_lock(1)")
    other = await asyncpg.connect(database_url)
    assert await other.fetchval("SELECT pg_try_advisory_lock(1)")
    await other.close()


async def slow_and_told(
    pool: Pool, run: Callable[[Pool], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> dict[str, object]:
    with caplog.at_level(logging.WARNING):
        await run(pool)
    events = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    (event,) = [one for one in events if one["event"] == "slow_statement"]
    return dict(event)


async def test_a_slow_statement_is_told_with_its_caller_and_without_its_parameters(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(pool: Pool) -> None:
        async with pool.session() as connection:
            await connection.fetchval("SELECT pg_sleep($1),   $2::text", 0.15, "secret")  # the line told

    pool = make(slow_s=0.1)
    event = await slow_and_told(pool, run, caplog)
    assert event["caller"] == f"{__file__}:{line_with('told')}"
    assert event["statement"] == "SELECT pg_sleep($1), $2::text"
    assert "secret" not in str(event)
    assert 0.15 <= float(str(event["duration_s"])) < 5
    assert pool.metrics.slow_statements == 1


async def test_a_slow_copy_is_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def run(pool: Pool) -> None:
        async with pool.session() as connection:
            await connection.copy_from_query("SELECT pg_sleep(0.15)", output=_swallow)

    told = await slow_and_told(make(slow_s=0.1), run, caplog)
    assert told["statement"] == "COPY SELECT pg_sleep(0.15)"


async def test_arguments_may_be_given_by_name(make: Make) -> None:
    pool = make()
    await create(pool)
    async with pool.session() as connection:
        await connection.copy_records_to_table(records=[(1,), (2,)], table_name="t")
        assert await connection.fetchval(query="SELECT count(*) FROM t") == 2


async def test_quick_statements_are_not_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    pool = make(slow_s=5.0)
    with caplog.at_level(logging.WARNING):
        await pool.read(lambda connection: connection.fetchval("SELECT 1"))
    assert pool.metrics.slow_statements == 0


async def test_a_closed_pool_lends_nothing(make: Make, database_url: str) -> None:
    pool = make()
    async with pool.session():
        pass
    await pool.close()
    with pytest.raises(Transient):
        async with pool.session():
            pass
    assert await sessions_of(database_url, NAME) == []


def line_with(word: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# the line {word}"))


async def _swallow(data: bytes) -> None:
    return None


async def _value(value: int) -> int:
    return value


@pytest.mark.parametrize(
    "limits, mode",
    [({}, "force_custom_plan"), ({"transaction_pooling": True}, "auto")],
    ids=["asked", "proxy"],
)
async def test_sessions_have_the_settings_asked_for_but_not_through_a_proxy_that_may_refuse_them(
    make: Make, limits: dict[str, bool], mode: str
) -> None:
    pool = make(server_settings={"plan_cache_mode": "force_custom_plan"}, **limits)
    async with pool.session() as connection:
        assert await connection.fetchval("SHOW plan_cache_mode") == mode
        assert await connection.fetchval("SHOW application_name") == NAME


async def create(pool: Pool) -> None:
    async with pool.session() as connection:
        await connection.execute("CREATE TABLE t (n int PRIMARY KEY)")


async def active(url: str) -> int:
    return len([state for _, state in await sessions_of(url, NAME) if state != "idle"])
