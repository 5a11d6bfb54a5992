"""The pool on a Postgres that is killed, hangs, forgets, or turns it away; and what runs twice then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from atalaia.database import Connection, Pool, Uncertain
from atalaia.embedded import PostgresServer
from atalaia.errors import Misconfigured, Transient
from tests.system.postgres import end_sessions, eventually, held, kill, own_postgres, running, sessions_of
from tests.system.proxy import Proxy

NAME = "pool-in-trouble"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, kept=4, most=8, application=NAME)
    async with pool.session() as connection:
        await connection.execute("CREATE TABLE ran (n int); CREATE TABLE kept (n int)")
    yield pool
    await pool.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    port = urlsplit(database_url).port
    assert port is not None
    async with Proxy(port) as proxy:
        yield proxy, database_url.replace(f":{port}/", f":{proxy.port}/")


class Runs:
    """Counts executions where no rollback reaches: on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def count(self) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute("INSERT INTO ran VALUES (1)")
        await connection.close()

    async def counted(self) -> tuple[int, int]:
        """Return how often the work ran, and how many rows it left."""
        connection = await asyncpg.connect(self._url)
        ran = await connection.fetchval("SELECT count(*) FROM ran")
        kept = await connection.fetchval("SELECT count(*) FROM kept")
        await connection.close()
        return ran, kept


async def test_opening_needs_no_server() -> None:
    pool = Pool("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Transient):
        async with pool.session():
            pass
    assert pool.metrics.sizes().used == 0
    await pool.close()


async def test_a_postgres_that_hangs_does_not_hold_up_the_end(proxy: tuple[Proxy, str]) -> None:
    between, url = proxy
    pool = Pool(url)
    async with pool.session() as connection:
        await connection.fetchval("SELECT 1")
    between.hang()
    asking = asyncio.ensure_future(pool.acquire())
    async with asyncio.timeout(5):
        await pool.close(within_s=0.2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_an_url_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(Misconfigured, match="URL"):
        async with Pool("mysql://127.0.0.1/none").session():
            pass


async def test_sessions_ended_while_idle_are_replaced_unseen(pool: Pool, database_url: str) -> None:
    async with held(pool, 4):
        pass
    assert await end_sessions(database_url, NAME) == 4
    answers = await asyncio.gather(*(pool.read(lambda c: c.fetchval("SELECT 1")) for _ in range(8)))
    assert answers == [1] * 8


async def test_a_read_that_lost_its_session_runs_again(pool: Pool, database_url: str) -> None:
    runs = Runs(database_url)

    async def work(connection: Connection) -> int:
        await runs.count()
        if (await runs.counted())[0] == 1:
            await end_sessions(database_url, NAME)
        return int(await connection.fetchval("SELECT 7"))

    assert await pool.read(work) == 7
    assert await runs.counted() == (2, 0)
    assert pool.metrics.retries == 1


async def test_a_write_that_lost_its_session_before_commit_runs_again_and_counts_once(
    pool: Pool, database_url: str
) -> None:
    runs = Runs(database_url)

    async def work(connection: Connection) -> None:
        await runs.count()
        await connection.execute("INSERT INTO kept VALUES (1)")
        if (await runs.counted())[0] == 1:
            await end_sessions(database_url, NAME)
        await connection.execute("INSERT INTO kept VALUES (2)")

    await pool.write(work)
    assert await runs.counted() == (2, 2)


async def test_a_session_ended_in_the_middle_of_a_statement_fails_once_and_is_not_repeated(
    pool: Pool, database_url: str
) -> None:
    slow = "INSERT INTO kept SELECT 1 FROM pg_sleep(20)"

    async def ended_meanwhile() -> None:
        await eventually(lambda: running(database_url, NAME), [slow])
        await end_sessions(database_url, NAME)

    ending = asyncio.create_task(ended_meanwhile())
    with pytest.raises(Transient):
        async with pool.session() as connection:
            await connection.execute(slow)
    await ending
    assert pool.metrics.retries == 0
    async with pool.session() as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


async def test_a_commit_whose_answer_was_lost_is_uncertain_and_not_repeated(
    pool: Pool, database_url: str
) -> None:
    async with pool.session() as connection:  # the commit takes long, so that it can be cut off
        await connection.execute(
            "CREATE FUNCTION drag() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$"
        )
        await connection.execute(
            "CREATE CONSTRAINT TRIGGER dragging AFTER INSERT ON kept DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION drag()"
        )
    runs = Runs(database_url)

    async def work(connection: Connection) -> None:
        await runs.count()
        await connection.execute("INSERT INTO kept VALUES (1)")

    writing = asyncio.create_task(pool.write(work))
    await eventually(lambda: running(database_url, NAME), ["COMMIT;"])
    await end_sessions(database_url, NAME)
    with pytest.raises(Uncertain):
        await writing
    assert (await runs.counted())[0] == 1


async def test_serializable_writes_that_collide_all_count_exactly_once(pool: Pool, database_url: str) -> None:
    async with pool.session() as connection:
        await connection.execute("INSERT INTO kept VALUES (0)")

    async def increment(connection: Connection) -> None:
        value = await connection.fetchval("SELECT n FROM kept")
        await connection.execute("UPDATE kept SET n = $1", value + 1)

    await asyncio.gather(*(pool.write(increment, isolation="serializable") for _ in range(8)))
    assert await pool.read(lambda c: c.fetchval("SELECT n FROM kept")) == 8
    assert pool.metrics.retries > 0


async def test_a_mistake_is_not_repeated(pool: Pool, database_url: str) -> None:
    runs = Runs(database_url)

    async def work(connection: Connection) -> None:
        await runs.count()
        await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await pool.write(work)
    assert await runs.counted() == (1, 0)


async def test_a_statement_that_is_too_slow_is_not_repeated(database_url: str, pool: Pool) -> None:
    hasty, runs = Pool(database_url, statement_timeout_s=0.2), Runs(database_url)

    async def work(connection: Connection) -> None:
        await runs.count()
        await connection.execute("SELECT pg_sleep(20)")

    with pytest.raises(Transient):
        await hasty.read(work)
    assert await runs.counted() == (1, 0)
    await hasty.close()


async def test_a_primary_that_only_reads_now_is_left_and_the_write_follows(
    pool: Pool, database_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await end_sessions(database_url, NAME)  # the next sessions begin demoted

    async def promote() -> None:
        await eventually(lambda: _retried(pool), True)
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    promotion = asyncio.create_task(promote())
    await pool.write(lambda connection: connection.execute("INSERT INTO kept VALUES (1)"))
    await promotion
    assert await pool.read(lambda c: c.fetchval("SELECT count(*) FROM kept")) == 1
    await admin.close()


async def test_a_server_that_accepts_and_never_answers_costs_no_more_than_the_limit(
    proxy: tuple[Proxy, str],
) -> None:
    between, url = proxy
    pool = Pool(url, acquire_timeout_s=0.5, statement_timeout_s=0.5)
    between.hang()
    began_s = time.monotonic()
    results = await asyncio.gather(
        *(pool.read(lambda c: c.fetchval("SELECT 1")) for _ in range(60)), return_exceptions=True
    )
    assert all(isinstance(result, Transient) for result in results)
    assert time.monotonic() - began_s < 5
    between.flow()
    assert await pool.read(lambda c: c.fetchval("SELECT 1")) == 1
    await pool.close()


async def test_a_server_that_falls_silent_in_a_session_costs_the_statements_limit_and_the_resets(
    proxy: tuple[Proxy, str],
) -> None:
    between, url = proxy
    pool = Pool(url, statement_timeout_s=0.5)
    with pytest.raises(Transient):
        async with asyncio.timeout(8):
            async with pool.session() as connection:
                await connection.fetchval("SELECT 1")
                between.hang()
                await connection.fetchval("SELECT 1")
    await eventually(lambda: _used(pool), 0)
    between.flow()
    assert await pool.read(lambda c: c.fetchval("SELECT 1")) == 1
    await pool.close()


async def test_connections_that_were_cut_half_open_cost_one_check_not_one_each(
    proxy: tuple[Proxy, str],
) -> None:
    between, url = proxy
    pool = Pool(url, kept=6, most=6, check_after_idle_s=0.05)
    async with held(pool, 6):
        pass
    await asyncio.sleep(0.1)  # idle for longer than goes unasked
    between.forget()
    assert await pool.read(lambda c: c.fetchval("SELECT 1")) == 1
    async with held(pool, 6) as connections:
        assert [await c.fetchval("SELECT 1") for c in connections] == [1] * 6
    assert pool.metrics.failed_checks == 1
    await pool.close()


async def test_a_password_that_is_changed_and_changed_back_heals(pool: Pool, database_url: str) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute("CREATE ROLE shopkeeper LOGIN PASSWORD 'one'")
    try:
        parts = urlsplit(database_url)
        shop = Pool(
            f"postgresql://shopkeeper:one@127.0.0.1:{parts.port}{parts.path}", application="shopkeeper"
        )
        assert await shop.read(lambda c: c.fetchval("SELECT 1")) == 1
        await admin.execute("ALTER ROLE shopkeeper PASSWORD 'two'")
        await end_sessions(database_url, "shopkeeper")
        with pytest.raises(Transient, match="password"):
            await shop.read(lambda c: c.fetchval("SELECT 1"))
        await admin.execute("ALTER ROLE shopkeeper PASSWORD 'one'")
        assert await shop.read(lambda c: c.fetchval("SELECT 1")) == 1
        await shop.close()
    finally:
        await admin.execute("DROP ROLE shopkeeper")
        await admin.close()


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    async with own_postgres(tmp_path / "postgres") as server:
        yield server


async def test_killed_and_back_the_same_read_succeeds(mortal: PostgresServer) -> None:
    pool = Pool(mortal.url, application=NAME)
    async with held(pool, 5):
        pass
    await kill(mortal)
    reading = asyncio.create_task(pool.read(lambda c: c.fetchval("SELECT 1")))
    await mortal.start()
    assert await asyncio.wait_for(reading, 20) == 1
    assert await mortal.answers()
    assert all(state == "idle" for _, state in await sessions_of(mortal.url, NAME))
    await pool.close()


async def test_while_it_is_away_a_session_fails_at_once(mortal: PostgresServer) -> None:
    pool = Pool(mortal.url)
    async with pool.session():
        pass
    await kill(mortal)
    with pytest.raises(Transient):
        async with asyncio.timeout(2), pool.session() as connection:
            await connection.execute("SELECT 1")
    await pool.close()


async def _used(pool: Pool) -> int:
    return pool.metrics.sizes().used


async def _retried(pool: Pool) -> bool:
    return pool.metrics.retries > 0
