"""What is old goes, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest

from atalaia.database import Pool, migrate
from services.alerting.adapters.retention import _LOCK, BATCH, Retention
from services.alerting.app import MIGRATIONS
from tests.system.test_deliveries_store import opened

INSERT = """
INSERT INTO alerts (alert_id, rule, kind, source, "group", series, partition, state, started_at, last_at,
                    resolved_at, rearm, flapping)
SELECT $1 || n, 'r', 'k', $1 || n, 'g', 's', 1, $2, t, t, CASE $2 WHEN 'resolved' THEN t END, $4, $5
FROM generate_series(1, $6) n, LATERAL (SELECT now() - make_interval(days => $3) AS t)"""
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url, MIGRATIONS)
    async with opened(database_url) as pool:
        yield pool


@pytest.fixture
async def database(database_url: str, pool: Pool) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def retention(pool: Pool) -> Retention:
    return Retention(pool, alerts_days=90, deliveries_days=30)


async def alerts(
    database: Connection,
    name: str,
    *,
    state: str = "resolved",
    days: int = 91,
    rearm: str | None = None,
    flapping: bool = False,
    count: int = 1,
) -> None:
    await database.execute(INSERT, name, state, days, rearm, flapping, count)


async def left(database: Connection) -> set[str]:
    return {row["alert_id"] for row in await database.fetch("SELECT alert_id FROM alerts")}


async def test_old_resolved_alerts_go_and_what_still_matters_stays(pool: Pool, database: Connection) -> None:
    await alerts(database, "old")
    await alerts(database, "recent", days=89)
    await alerts(database, "firing", state="firing", days=1000)
    await alerts(database, "disarmed", rearm="error")
    await alerts(database, "flapping", flapping=True)
    gone = await retention(pool).forget_old()
    assert gone["alerts"] == 1
    assert await left(database) == {"recent1", "firing1", "disarmed1", "flapping1"}


async def test_with_an_alert_go_its_transitions_and_who_was_told(pool: Pool, database: Connection) -> None:
    await alerts(database, "old")
    await database.execute(
        "INSERT INTO alert_transitions (alert_id, sequence, at, transition, event) "
        "VALUES ('old1', 1, now(), 'fired', '{}')"
    )
    await database.execute(
        "INSERT INTO recipients (alert_id, channel, delivery_group, interval_s) "
        "VALUES ('old1', 'c', '{}', 30)"
    )
    await retention(pool).forget_old()
    for table in ("alert_transitions", "recipients"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_old_deliveries_go_with_their_tries(pool: Pool, database: Connection) -> None:
    await database.execute(
        "INSERT INTO deliveries (key, channel, begun_at) "
        "VALUES ('old', 'c', now() - interval '31 days'), ('recent', 'c', now() - interval '29 days')"
    )
    await database.execute(
        "INSERT INTO delivery_attempts (key, attempt, at, outcome) "
        "VALUES ('old', 1, now(), 'delivered'), ('recent', 1, now(), 'delivered')"
    )
    assert (await retention(pool).forget_old())["deliveries"] == 1
    assert await database.fetchval("SELECT string_agg(key, ',') FROM delivery_attempts") == "recent"


async def test_what_waits_for_a_channel_that_is_gone_goes(pool: Pool, database: Connection) -> None:
    await database.execute(
        "INSERT INTO notices (channel, alert_id, sequence, event, queued_at) "
        "VALUES ('gone', 'a', 1, '{}', now() - interval '31 days'), ('c', 'a', 1, '{}', now())"
    )
    assert (await retention(pool).forget_old())["notices"] == 1
    assert await database.fetchval("SELECT channel FROM notices") == "c"


async def test_many_go_in_batches(pool: Pool, database: Connection) -> None:
    await alerts(database, "old", count=2 * BATCH + 1)
    assert (await retention(pool).forget_old())["alerts"] == 2 * BATCH + 1
    assert await left(database) == set()


async def test_one_replica_at_a_time(pool: Pool, database: Connection) -> None:
    await alerts(database, "old")
    async with database.transaction():
        assert await database.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)
        assert (await retention(pool).forget_old())["alerts"] == 0
    assert (await retention(pool).forget_old())["alerts"] == 1


async def test_a_replica_that_dies_in_the_middle_leaves_it_to_the_next(
    pool: Pool, database: Connection, database_url: str
) -> None:
    await alerts(database, "old")
    dying = await asyncpg.connect(database_url)
    await dying.execute("BEGIN")
    await dying.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK)
    dying.terminate()
    for _ in range(100):
        if (await retention(pool).forget_old())["alerts"]:
            return
    raise AssertionError("the lock outlives its holder")
