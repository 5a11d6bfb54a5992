"""The outbox: what was committed leaves for the stream, at least once, in order per alert."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from atalaia import broker
from atalaia import log as _log
from atalaia.database import Pool
from atalaia.errors import Transient
from atalaia.resilience.backoff import delay_s
from services.alerting.adapters.fresh import CLAIM_S, PUBLISH_WITHIN_S, Fresh, Row

_log_ = _log.get("outbox")
LOOK_EVERY_S = 5.0
CLAIMED_AT_ONCE = 2000  # rows

# only the earliest undelivered row of an alert may leave: order per alert
_CLAIM = """
UPDATE outbox SET claimed_by = $1, claimed_until = now() + make_interval(secs => $2), attempts = attempts + 1
WHERE id IN (
    SELECT o.id FROM outbox o
    WHERE CASE WHEN o.claimed_by = $1 THEN o.id <= $3
               ELSE o.claimed_until IS NULL OR o.claimed_until < now() END
      AND NOT EXISTS (SELECT FROM outbox e
                      WHERE e.alert_id = o.alert_id AND e.channel = o.channel AND e.sequence < o.sequence)
    ORDER BY o.id LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING id, alert_id, sequence, subject, severity, at, body"""
_BOUNDS = "SELECT min(id) AS first, max(id) AS last FROM outbox"
_DELETE = "DELETE FROM outbox WHERE id = ANY ($1::bigint[])"
_HAND_BACK = "UPDATE outbox SET claimed_until = NULL WHERE claimed_by = $1"


class Outbox:
    """Publishes what its store has just committed, and looks for what fell behind."""

    def __init__(self, pool: Pool, client: broker.EnduringClient, holder: str, fresh: Fresh) -> None:
        self._pool = pool
        self._pipeline = broker.Pipeline(client)
        self._holder = holder
        self._fresh = fresh
        self._looked_s = 0.0
        self.published = 0

    async def run(self) -> None:
        """Drain for ever; what fails is tried again, ever more patiently."""
        failures = 0
        while True:
            try:
                while await self.drain():
                    failures = 0
            except Transient as error:
                failures += 1
                if failures == 1:
                    _log_.warning("outbox_waits", error=str(error))
                await asyncio.sleep(delay_s(failures, first_s=0.2, most_s=5.0))
                continue
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._fresh.news.wait()
            except TimeoutError:
                continue
            finally:
                self._fresh.news.clear()

    async def drain(self) -> int:
        """Publish what may leave now, and return how many messages that were.

        Raises:
            Transient: some may not have left; only the table knows which.
        """
        try:
            return await self._drain()
        except Transient:
            self._fresh.doubt()
            raise

    async def _drain(self) -> int:
        if self._fresh.behind and self._fresh.horizon is None:
            await self._look()
        now_s = time.monotonic()
        if self._fresh.behind or now_s >= self._looked_s + LOOK_EVERY_S:
            if rows := await self._claimed():
                return await self._leave(rows)
            self._looked_s = now_s
            if self._fresh.behind:
                await self._look()
        return await self._leave(self._fresh.take(time.monotonic()))

    async def hand_back(self) -> None:
        """Let others publish at once what is left here."""
        async with self._pool.session() as connection:
            await connection.execute(_HAND_BACK, self._holder)

    async def _claimed(self) -> list[Row]:
        """Claim what is the table's to give: of this holder up to the horizon, and of fallen ones."""
        own_up_to = (self._fresh.horizon or 0) if self._fresh.behind else 0
        async with self._pool.transaction() as connection:
            # a plan from when the table was empty would read it all for each row
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            rows = await connection.fetch(_CLAIM, self._holder, CLAIM_S, own_up_to, CLAIMED_AT_ONCE)
        return [Row(*row) for row in rows]

    async def _look(self) -> None:
        changes = self._fresh.changes
        async with self._pool.session() as connection:
            found = await connection.fetchrow(_BOUNDS)
        assert found is not None
        self._fresh.looked(changes, found["first"], found["last"])

    async def _leave(self, rows: Sequence[Row]) -> int:
        """Publish rows of different alerts, and delete what arrived."""
        outcomes = await self._pipeline.publish([row.message() for row in rows], within_s=PUBLISH_WITHIN_S)
        arrived = [row.id for row, outcome in zip(rows, outcomes, strict=True) if outcome is None]
        if arrived:
            async with self._pool.session() as connection:
                await connection.execute(_DELETE, arrived)
            self.published += len(arrived)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(arrived)
