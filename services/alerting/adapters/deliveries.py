"""What waits for channels, what is under way and what came of it, in Postgres.

Each change is one statement: a holder that freezes in the middle leaves no lock behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from atalaia.database import Pool
from atalaia.events.alerts import AlertTransition, Severity
from services.alerting.domain.delivery import Desk, Settlement
from services.alerting.domain.flaps import Flap, series_of
from services.alerting.domain.messages import Message, Notice, Told
from services.alerting.domain.outcomes import Verdict
from services.alerting.ports import HeldChannel, LeaseLost

LEASE_S = 10

_DECLARE = """
INSERT INTO channels (name, kind, target) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, target = excluded.target"""
_WITHDRAW = """
DELETE FROM channels
WHERE name <> ALL ($1::text[]) AND (lease_until IS NULL OR lease_until < now() OR holder = $2)"""
_ACQUIRE = """
UPDATE channels SET holder = $1, fence = fence + 1, lease_until = now() + make_interval(secs => $3)
WHERE name IN (
    SELECT name FROM channels
    WHERE name = ANY ($2::text[]) AND (holder IS NULL OR holder = $1 OR lease_until < now())
    ORDER BY name FOR UPDATE SKIP LOCKED)
RETURNING name, fence, failures, not_before"""
_RENEW = """
UPDATE channels c SET lease_until = now() + make_interval(secs => $3)
FROM unnest($1::text[], $2::bigint[]) AS held (name, fence)
WHERE c.name = held.name AND c.fence = held.fence
RETURNING c.name"""
_RELEASE = """
UPDATE channels c SET holder = NULL, lease_until = NULL
FROM unnest($1::text[], $2::bigint[]) AS held (name, fence)
WHERE c.name = held.name AND c.fence = held.fence"""
_COME = """
SELECT n.id, n.channel, n.alert_id, n.sequence, n.queued_at, n.event,
       r.delivery_group, r.interval_s, r.remind_s
FROM unnest($1::text[], $2::bigint[]) AS held (name, fence)
JOIN notices n ON n.channel = held.name AND n.taken < held.fence
JOIN recipients r ON r.alert_id = n.alert_id AND r.channel = n.channel
ORDER BY n.id"""
_MARK = "UPDATE notices SET taken = greatest(taken, $2) WHERE id = ANY ($1::bigint[])"
_TOLD = """
SELECT r.alert_id, r.delivery_group, r.interval_s, r.remind_s, r.told, g.sent_at, g.reminders
FROM recipients r LEFT JOIN delivery_groups g USING (channel, delivery_group)
WHERE r.channel = $1 AND r.told IS NOT NULL"""
_OPEN = """
SELECT body, tries, retry_at, sealed FROM deliveries
WHERE channel = $1 AND body IS NOT NULL ORDER BY begun_at"""
_FLAPS = """
SELECT rule, kind, source, series, told_at, severity, digests FROM flaps
WHERE channel = $1 AND told_at IS NOT NULL"""
_BEGIN = """
WITH held AS (SELECT FROM channels WHERE name = $1 AND fence = $2 FOR SHARE),
begun AS (
    INSERT INTO deliveries (key, channel, body, tries, retry_at, sealed)
    SELECT $3, $1, $4::jsonb, $5, now(), true FROM held
    ON CONFLICT (key) DO UPDATE SET body = excluded.body, tries = excluded.tries,
        retry_at = excluded.retry_at, sealed = true
    RETURNING key),
about AS (
    INSERT INTO delivery_alerts (alert_id, key) SELECT unnest($6::text[]), key FROM begun
    ON CONFLICT DO NOTHING),
superseded AS (
    UPDATE deliveries SET body = NULL WHERE key = ANY ($7::text[]) AND EXISTS (SELECT FROM held))
SELECT count(*) FROM begun"""
_SETTLE = """
WITH held AS (
    UPDATE channels SET failures = $3, not_before = $4,
        last_success_at = CASE WHEN $5 THEN $10 ELSE last_success_at END,
        last_failure_at = CASE WHEN $5 THEN last_failure_at ELSE $10 END,
        last_error = CASE WHEN $5 THEN last_error ELSE $13 END
    WHERE name = $1 AND fence = $2 RETURNING name),
kept AS (
    UPDATE deliveries SET body = CASE WHEN $7 THEN NULL ELSE body END, tries = $8, retry_at = $9, sealed = $14
    WHERE key = $6 AND EXISTS (SELECT FROM held)),
tried AS (
    INSERT INTO delivery_attempts (key, attempt, at, outcome, http_status, detail)
    SELECT $6, $8, $10, $11, $12, $13 FROM held ON CONFLICT DO NOTHING),
gone AS (DELETE FROM notices WHERE id = ANY ($15::bigint[]) AND EXISTS (SELECT FROM held)),
told AS (
    UPDATE recipients r SET told = said.told
    FROM unnest($16::text[], $17::jsonb[]) AS said (alert_id, told)
    WHERE r.channel = $1 AND r.alert_id = said.alert_id AND EXISTS (SELECT FROM held)),
forgotten AS (
    DELETE FROM recipients
    WHERE channel = $1 AND alert_id = ANY ($18::text[]) AND EXISTS (SELECT FROM held)),
sent AS (
    INSERT INTO delivery_groups (channel, delivery_group, sent_at, reminders)
    SELECT $1, one.* FROM unnest($19::text[], $20::timestamptz[], $21::integer[]) AS one
    WHERE EXISTS (SELECT FROM held)
    ON CONFLICT (channel, delivery_group)
    DO UPDATE SET sent_at = excluded.sent_at, reminders = excluded.reminders),
ended AS (
    DELETE FROM delivery_groups
    WHERE channel = $1 AND delivery_group = ANY ($22::text[]) AND EXISTS (SELECT FROM held)),
said AS (
    SELECT * FROM unnest($23::text[], $24::text[], $25::text[], $26::text[], $27::text[],
                         $28::timestamptz[], $29::text[], $30::integer[])
        AS said (rule, kind, source, series, alert_id, told_at, severity, digests)
    WHERE EXISTS (SELECT FROM held)),
-- told that it is stable: unless it flaps anew by now, under a later alert
stable AS (
    DELETE FROM flaps f USING said s
    WHERE f.channel = $1 AND (f.rule, f.kind, f.source, f.series) = (s.rule, s.kind, s.source, s.series)
      AND s.told_at IS NULL AND f.alert_id <= s.alert_id),
flapping AS (
    UPDATE flaps f SET told_at = s.told_at, severity = s.severity, digests = s.digests
    FROM said s
    WHERE f.channel = $1 AND (f.rule, f.kind, f.source, f.series) = (s.rule, s.kind, s.source, s.series)
      AND NOT (s.told_at IS NULL AND f.alert_id <= s.alert_id))
SELECT count(*) FROM held"""
_DISCARD = """
WITH gone AS (DELETE FROM notices WHERE id = ANY ($1::bigint[]) RETURNING channel, alert_id, event),
stable AS (
    DELETE FROM flaps f USING gone
    WHERE f.channel = gone.channel AND f.alert_id = gone.alert_id AND NOT gone.event ? 'flapping')
DELETE FROM recipients r USING gone WHERE r.channel = gone.channel AND r.alert_id = gone.alert_id"""


class PostgresDeliveries:
    """The channels of one holder."""

    def __init__(self, pool: Pool, holder: str) -> None:
        self._pool = pool
        self._holder = holder

    async def declare(self, channels: Mapping[str, tuple[str, str]]) -> None:
        """Say which channels there are: name -> (kind, what may be shown of the target)."""
        names = list(channels)
        kinds, targets = [kind for kind, _ in channels.values()], [shown for _, shown in channels.values()]
        async with self._pool.transaction() as connection:
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '5s'")
            await connection.execute(_DECLARE, names, kinds, targets)
            await connection.execute(_WITHDRAW, names, self._holder)

    async def acquire(self, names: Iterable[str]) -> list[HeldChannel]:
        """Return leases on those of the channels that are free, expired, or were this holder's."""
        async with self._pool.session() as connection:
            rows = await connection.fetch(_ACQUIRE, self._holder, list(names), LEASE_S)
        return [HeldChannel(row["name"], row["fence"], row["failures"], row["not_before"]) for row in rows]

    async def renew(self, fences: Mapping[str, int]) -> set[str]:
        """Return the channels that are still held."""
        async with self._pool.session() as connection:
            rows = await connection.fetch(_RENEW, list(fences), list(fences.values()), LEASE_S)
        return {row["name"] for row in rows}

    async def release(self, fences: Mapping[str, int]) -> None:
        async with self._pool.session() as connection:
            await connection.execute(_RELEASE, list(fences), list(fences.values()))

    async def restore(self, desk: Desk) -> list[tuple[Message, int, datetime, bool]]:
        """Tell a desk what its channel was told; return (message, tries, retry_at, sealed) under way."""
        async with self._pool.session() as connection:
            for row in await connection.fetch(_TOLD, desk.channel):
                group = desk.group(row["delivery_group"], row["interval_s"], row["remind_s"])
                group.told[row["alert_id"]] = _told(row["told"])
                group.sent_at, group.reminders = row["sent_at"], row["reminders"] or 0
            for row in await connection.fetch(_FLAPS, desk.channel):
                series = (row["rule"], row["kind"], row["source"], row["series"])
                desk.flaps[series] = Flap(row["told_at"], Severity(row["severity"]), row["digests"])
            rows = await connection.fetch(_OPEN, desk.channel)
        return [(Message.read(row["body"]), row["tries"], row["retry_at"], row["sealed"]) for row in rows]

    async def come(self, fences: Mapping[str, int]) -> dict[str, list[Notice]]:
        """Return what waits for the channels and is not marked as taken under these fences."""
        async with self._pool.session() as connection:
            rows = await connection.fetch(_COME, list(fences), list(fences.values()))
        found: dict[str, list[Notice]] = {}
        for row in rows:
            found.setdefault(row["channel"], []).append(_notice(row))
        return found

    async def mark(self, notices: Iterable[int], fence: int) -> None:
        """Mark notices as taken: they do not come again under this fence."""
        async with self._pool.session() as connection:
            await connection.execute(_MARK, list(notices), fence)

    async def begin(self, message: Message, fence: int, *, tries: int, superseded: Sequence[str]) -> None:
        """Record that a message is about to leave: from now on it may have been received.

        Raises:
            LeaseLost: another replica holds the channel.
        """
        async with self._pool.session() as connection:
            begun = await connection.fetchval(
                _BEGIN,
                message.channel,
                fence,
                message.key,
                message.body(),
                tries,
                sorted(set(message.alert_ids)),
                list(superseded),
            )
        if not begun:
            raise LeaseLost(f"another replica holds the channel {message.channel}")

    async def settle(
        self, settled: Settlement, fence: int, at: datetime, *, failures: int, not_before: datetime | None
    ) -> bool:
        """Record what a try came to, and all that follows; return whether the channel is still held."""
        message, outcome = settled.message, settled.outcome
        sent = [group for group in settled.groups if group.told and group.sent_at is not None]
        newest = {series_of(item.event): item.event.alert_id for item in message.items}
        async with self._pool.session() as connection:
            held = await connection.fetchval(
                _SETTLE,
                message.channel,
                fence,
                failures,
                not_before,
                outcome.verdict is Verdict.DELIVERED,
                message.key,
                settled.over,
                settled.attempt,
                settled.retry_at,
                at,
                outcome.verdict.value,
                outcome.http_status,
                outcome.detail,
                settled.sealed,
                [notice for item in message.items for notice in item.notices] if settled.over else [],
                [told.event.alert_id for told in settled.told],
                [_told_json(told) for told in settled.told],
                list(settled.forgotten),
                [group.key for group in sent],
                [group.sent_at for group in sent],
                [group.reminders for group in sent],
                [group.key for group in settled.groups if not group.told],
                *([series[column] for series, _ in settled.flaps] for column in range(4)),
                [newest[series] for series, _ in settled.flaps],
                [flap and flap.told_at for _, flap in settled.flaps],
                [flap and flap.severity.value for _, flap in settled.flaps],
                [flap.digests if flap else 0 for _, flap in settled.flaps],
            )
        return bool(held)

    async def discard(self, notices: Sequence[Notice]) -> None:
        """Drop what will never be said, and that its alerts were to be told."""
        async with self._pool.session() as connection:
            await connection.execute(_DISCARD, [notice.id for notice in notices])


def _notice(row: asyncpg.Record) -> Notice:
    return Notice(
        row["id"],
        row["alert_id"],
        row["sequence"],
        row["delivery_group"],
        row["interval_s"],
        row["remind_s"],
        row["queued_at"],
        AlertTransition.model_validate_json(row["event"]),
    )


def _told(text: str) -> Told:
    said: dict[str, Any] = json.loads(text)
    event = AlertTransition.model_validate(said["event"])
    return Told(event, said["sequence"])


def _told_json(told: Told) -> str:
    return json.dumps({"event": told.event.model_dump(mode="json"), "sequence": told.sequence})
