"""The gateway's reading of alerts, where Postgres is not as it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from atalaia.database import Pool, migrate
from atalaia.errors import Transient
from services.alerting.app import MIGRATIONS
from services.api.adapters.alerts import _PAGE, PostgresAlerts
from services.api.app import PLANNED
from services.api.ports import AlertQuery, AlertState

MANY = 5000
EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, BUFFERS OFF)"
FLOOD = """
INSERT INTO alerts (alert_id, rule, kind, source, "group", series, partition, state, started_at, last_at)
SELECT lpad(n::text, 26, '0'), 'r', 'k', 's' || n, 'g', 'x', 0, $1, now(), now() FROM generate_series(1, $2) n
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(database_url, kept=1, server_settings=PLANNED)
    yield pool
    await pool.close()


async def test_a_gateway_that_starts_before_alerting_did_is_told_to_wait(pool: Pool) -> None:
    with pytest.raises(Transient):
        await PostgresAlerts(pool).firing()


@pytest.mark.parametrize("state", ["firing", "resolved"])
async def test_a_page_reads_no_more_than_it_shows_however_little_is_known_of_the_table(
    database_url: str, pool: Pool, state: AlertState
) -> None:
    await migrate(database_url, MIGRATIONS)
    async with pool.session() as connection:
        await connection.execute("ALTER TABLE alerts SET (autovacuum_enabled = off)")
        await connection.execute(FLOOD, state, MANY)
        asked = (state, None, None, None, None, None, None, 50)
        plan = await connection.fetch(f"{EXPLAIN} {_PAGE}", *asked)
    said = "\n".join(row[0] for row in plan)
    assert "alerts_newest" in said
    assert f"rows={MANY}" not in said
    page = await PostgresAlerts(pool).page(AlertQuery(state, limit=50))
    assert [int(one.alert_id) for one in page] == list(range(MANY, MANY - 50, -1))
