"""What is old goes: in small batches, by one replica at a time."""

from __future__ import annotations

import asyncio
import zlib

from atalaia import log as _log
from atalaia.database import Pool
from atalaia.errors import Transient

_log_ = _log.get("retention")
LOOK_EVERY_S = 3600.0
BATCH = 500
REST_S = 0.05
_LOCK = zlib.crc32(b"atalaia.alerting.retention")

# each is one statement, which holds the lock for as long as it takes: whoever comes meanwhile finds nothing
_ALERTS = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held),
old AS (
    SELECT alert_id FROM alerts
    WHERE state = 'resolved' AND resolved_at < now() - make_interval(days => $2)
      AND rearm IS NULL AND NOT flapping AND (SELECT held FROM mine)
    ORDER BY resolved_at LIMIT $3 FOR UPDATE SKIP LOCKED),
untold AS (DELETE FROM notices USING old WHERE notices.alert_id = old.alert_id),
unknown AS (DELETE FROM recipients USING old WHERE recipients.alert_id = old.alert_id),
gone AS (DELETE FROM alerts USING old WHERE alerts.alert_id = old.alert_id RETURNING 1)
SELECT count(*) FROM gone"""
_DELIVERIES = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held),
old AS (
    SELECT key FROM deliveries
    WHERE begun_at < now() - make_interval(days => $2) AND (SELECT held FROM mine)
    ORDER BY begun_at LIMIT $3 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM deliveries USING old WHERE deliveries.key = old.key RETURNING 1)
SELECT count(*) FROM gone"""
# what waits for channels that are no longer there
_NOTICES = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held),
old AS (
    SELECT id FROM notices
    WHERE queued_at < now() - make_interval(days => $2) AND (SELECT held FROM mine)
    ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM notices USING old WHERE notices.id = old.id RETURNING 1)
SELECT count(*) FROM gone"""
_RECIPIENTS = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held),
old AS (
    SELECT r.alert_id, r.channel FROM recipients r JOIN alerts a USING (alert_id)
    WHERE a.state = 'resolved' AND a.resolved_at < now() - make_interval(days => $2)
      AND NOT EXISTS (SELECT FROM notices n WHERE n.alert_id = r.alert_id AND n.channel = r.channel)
      AND (SELECT held FROM mine)
    LIMIT $3 FOR UPDATE OF r SKIP LOCKED),
gone AS (
    DELETE FROM recipients r USING old
    WHERE r.alert_id = old.alert_id AND r.channel = old.channel RETURNING 1)
SELECT count(*) FROM gone"""
_FLAPS = """
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held),
old AS (
    SELECT f.ctid FROM flaps f
    WHERE $2 >= 0 AND (SELECT held FROM mine)
      AND NOT EXISTS (SELECT FROM alerts a WHERE a.alert_id = f.alert_id AND a.flapping)
      AND NOT EXISTS (SELECT FROM notices n WHERE n.alert_id = f.alert_id AND n.channel = f.channel)
    LIMIT $3 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM flaps f USING old WHERE f.ctid = old.ctid RETURNING 1)
SELECT count(*) FROM gone"""


class Retention:
    """Any number of replicas may run one."""

    def __init__(self, pool: Pool, *, alerts_days: int, deliveries_days: int) -> None:
        self._pool = pool
        self._alerts_days, self._deliveries_days = alerts_days, deliveries_days

    async def run(self) -> None:
        """Look now and every hour; what fails is left for the next time."""
        while True:
            try:
                gone = await self.forget_old()
            except Transient as error:
                _log_.info("retention_waits", error=str(error))
            else:
                if any(gone.values()):
                    _log_.info("old_rows_deleted", **gone)
            await asyncio.sleep(LOOK_EVERY_S)

    async def forget_old(self) -> dict[str, int]:
        """Delete all that is old, a batch after the other; return how many rows of each table that was.

        Alerts that still matter to judging stay, however old. With an alert go its transitions,
        with a delivery its tries. The outbox holds what has not left, and is left alone.
        """
        return {
            "deliveries": await self._empty(_DELIVERIES, self._deliveries_days),
            "notices": await self._empty(_NOTICES, self._deliveries_days),
            "recipients": await self._empty(_RECIPIENTS, self._deliveries_days),
            "flaps": await self._empty(_FLAPS, self._deliveries_days),
            "alerts": await self._empty(_ALERTS, self._alerts_days),
        }

    async def _empty(self, statement: str, days: int) -> int:
        total = 0
        while True:
            async with self._pool.session() as connection:
                gone = int(await connection.fetchval(statement, _LOCK, days, BATCH))
            total += gone
            if gone < BATCH:
                return total
            await asyncio.sleep(REST_S)  # others want to write, too
