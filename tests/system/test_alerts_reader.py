"""The gateway's reading of alerts, where Postgres is not as it should be."""

from __future__ import annotations

import pytest

from atalaia.database import Pool
from atalaia.errors import Transient
from services.api.adapters.alerts import PostgresAlerts


async def test_a_gateway_that_starts_before_alerting_did_is_told_to_wait(database_url: str) -> None:
    pool = Pool(database_url, kept=1)
    try:
        with pytest.raises(Transient):
            await PostgresAlerts(pool).firing()
    finally:
        await pool.close()
