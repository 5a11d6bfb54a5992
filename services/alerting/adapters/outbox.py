"""The outbox: what was committed leaves for the stream, at least once, in order per alert."""

from __future__ import annotations

import asyncio

import asyncpg

from atalaia import broker
from atalaia import log as _log
from atalaia.database import Pool
from atalaia.errors import Transient
from atalaia.events.alerts import SEVERITY_HEADER
from atalaia.events.headers import headers
from atalaia.resilience.backoff import delay_s

_log_ = _log.get("outbox")
CLAIM_S = 10
LOOK_EVERY_S = 5.0
PUBLISH_WITHIN_S = 5.0

# only the earliest undelivered row of an alert may leave: order per alert
_CLAIM = """
UPDATE outbox SET claimed_by = $1, claimed_until = now() + make_interval(secs => $2), attempts = attempts + 1
WHERE id IN (
    SELECT o.id FROM outbox o
    WHERE (o.claimed_until IS NULL OR o.claimed_until < now() OR o.claimed_by = $1)
      AND NOT EXISTS (SELECT FROM outbox e
                      WHERE e.alert_id = o.alert_id AND e.channel = o.channel AND e.sequence < o.sequence)
    ORDER BY o.id LIMIT 2000 FOR UPDATE SKIP LOCKED)
RETURNING id, alert_id, sequence, subject, severity, at, body"""


class Outbox:
    """Drains on a word (`wake`), and looks by itself for what a fallen replica left."""

    def __init__(self, pool: Pool, client: broker.EnduringClient, holder: str) -> None:
        self._pool = pool
        self._pipeline = broker.Pipeline(client)
        self._holder = holder
        self._woken = asyncio.Event()
        self.published = 0

    def wake(self) -> None:
        self._woken.set()

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
                    await self._woken.wait()
            except TimeoutError:
                continue
            finally:
                self._woken.clear()

    async def drain(self) -> int:
        """Publish what may leave now, and return how many messages that were."""
        async with self._pool.session() as connection:
            rows = await connection.fetch(_CLAIM, self._holder, CLAIM_S)
        if not rows:
            return 0
        outcomes = await self._pipeline.publish([_message(row) for row in rows], within_s=PUBLISH_WITHIN_S)
        done = [row["id"] for row, outcome in zip(rows, outcomes, strict=True) if outcome is None]
        if done:
            async with self._pool.session() as connection:
                await connection.execute("DELETE FROM outbox WHERE id = ANY ($1::bigint[])", done)
        self.published += len(done)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(done)


def _message(row: asyncpg.Record) -> broker.Outgoing:
    message_id = f"{row['alert_id']}:{row['sequence']}"
    about = headers(message_id=message_id, type="alert", source="alerting", at=row["at"])
    return broker.Outgoing(row["subject"], row["body"].encode(), {**about, SEVERITY_HEADER: row["severity"]})
