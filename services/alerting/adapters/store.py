"""Alerts, positions and leases in Postgres."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from msgspec import json

from atalaia.database import Connection, Pool
from atalaia.events.alerts import Severity
from atalaia.events.subjects import alerts_subject
from services.alerting.adapters import flaps
from services.alerting.adapters.fresh import CLAIM_S, Fresh, Row
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.domain.routes import Routes
from services.alerting.ports import Census, Lease, LeaseLost, Position, Whereabouts

LEASE_S = 10
SILENT_AT_MOST_S = 5
EVENTS = "events"
NOBODY = Routes((), ())
_TO_JSON = json.Encoder()

_CENSUS = """
WITH me AS (INSERT INTO replicas (holder, seen_at) VALUES ($1, now())
            ON CONFLICT (holder) DO UPDATE SET seen_at = now()),
     gone AS (DELETE FROM replicas WHERE seen_at < now() - interval '1 day')
SELECT (SELECT count(*) FROM replicas
        WHERE holder <> $1 AND seen_at > now() - make_interval(secs => $2)) + 1 AS replicas,
       (SELECT count(*) FROM partitions WHERE holder IS NULL OR expires_at < now()) AS vacant"""
_ACQUIRE = """
UPDATE partitions SET holder = $1, fence = fence + 1, expires_at = now() + make_interval(secs => $2)
WHERE partition IN (
    SELECT partition FROM partitions
    WHERE holder IS NULL OR holder = $1 OR expires_at < now()
    ORDER BY holder IS DISTINCT FROM $1, partition LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING partition, fence, stream_created, position, position_at"""
_HAND_BACK = """
UPDATE partitions SET holder = NULL, expires_at = NULL
WHERE partition IN (
    SELECT partition FROM partitions
    WHERE holder = $1 AND partition <> ALL ($2::smallint[]) FOR UPDATE SKIP LOCKED)"""
_MOVE = """
UPDATE partitions p
SET stream_created = $4, position = held.position, position_at = $5,
    expires_at = now() + make_interval(secs => $6)
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS held (partition, fence, position)
WHERE p.partition = held.partition AND p.fence = held.fence"""
_RELEASE = """
UPDATE partitions p SET holder = NULL, expires_at = NULL
FROM unnest($1::smallint[], $2::bigint[]) AS held (partition, fence)
WHERE p.partition = held.partition AND p.fence = held.fence"""
_WHEREABOUTS = (
    "SELECT a.state, p.holder FROM alerts a JOIN partitions p USING (partition) WHERE a.alert_id = $1"
)
_LOAD = """
SELECT * FROM alerts
WHERE partition = ANY ($1::smallint[]) AND (state <> 'resolved' OR rearm IS NOT NULL OR flapping)
ORDER BY alert_id"""
_LATELY_FIRED = """
SELECT rule, kind, source, series, fired_at FROM alerts
WHERE partition = ANY ($1::smallint[]) AND fired_at > now() - interval '1 hour' ORDER BY fired_at"""
# a set at a time: what ended comes first, since one alert of a series is active at a time
_UPSERT = """
INSERT INTO alerts (alert_id, rule, kind, source, "group", series, partition, state, stale, severity, value,
    threshold, started_at, fired_at, resolved_at, resolved_by, acknowledged_by, acknowledged_at, summary,
    labels, held_since, last_at, rearm, sequence, acknowledged_until, good_since, description, runbook_url,
    flapping)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[],
    $8::text[], $9::boolean[], $10::text[], $11::float8[], $12::float8[], $13::timestamptz[],
    $14::timestamptz[], $15::timestamptz[], $16::text[], $17::text[], $18::timestamptz[], $19::text[],
    $20::jsonb[], $21::jsonb[], $22::timestamptz[], $23::text[], $24::integer[], $25::timestamptz[],
    $26::timestamptz[], $27::text[], $28::text[], $29::boolean[])
ON CONFLICT (alert_id) DO UPDATE SET
    state = excluded.state, stale = excluded.stale, severity = excluded.severity,
    value = excluded.value, threshold = excluded.threshold, started_at = excluded.started_at,
    fired_at = excluded.fired_at, resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by,
    acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at,
    summary = excluded.summary, labels = excluded.labels, held_since = excluded.held_since,
    last_at = excluded.last_at, rearm = excluded.rearm, sequence = excluded.sequence,
    acknowledged_until = excluded.acknowledged_until, good_since = excluded.good_since,
    description = excluded.description, runbook_url = excluded.runbook_url, flapping = excluded.flapping"""
# what is noted already was committed before, by an attempt that never heard of it: it is told no more.
# What is told is born claimed: who commits it publishes it.
_NOTE = """
WITH said AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                         $7::text[], $8::text[])
    WITH ORDINALITY AS t (alert_id, sequence, at, transition, body, note, subject, severity, number)),
noted AS (
    INSERT INTO alert_transitions (alert_id, sequence, at, transition, event, note)
    SELECT alert_id, sequence, at, transition, body::jsonb, note FROM said
    ON CONFLICT DO NOTHING
    RETURNING alert_id, sequence)
INSERT INTO outbox (alert_id, sequence, channel, subject, severity, at, body, claimed_by, claimed_until)
SELECT alert_id, sequence, $9, subject, severity, at, body, $10, now() + make_interval(secs => $11)
FROM said JOIN noted USING (alert_id, sequence) ORDER BY number
RETURNING id, alert_id, sequence"""

_RECIPIENTS = """
INSERT INTO recipients (alert_id, channel, delivery_group, interval_s, remind_s)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[])
ON CONFLICT DO NOTHING"""
# whoever is told of an alert is told of all that follows, wherever its labels would send it now
_NOTICES = """
INSERT INTO notices (channel, alert_id, sequence, event)
SELECT r.channel, t.alert_id, t.sequence, t.event
FROM unnest($1::text[], $2::integer[], $3::jsonb[]) WITH ORDINALITY AS t (alert_id, sequence, event, number)
JOIN recipients r USING (alert_id)
WHERE r.channel = ANY ($4::text[])
ORDER BY t.number, r.channel"""


class PostgresStore:
    """The store of one holder. `routes` may be exchanged at any time; `fresh` is its outbox's, too."""

    def __init__(self, pool: Pool, holder: str, routes: Routes = NOBODY, fresh: Fresh | None = None) -> None:
        self._pool = pool
        self._holder = holder
        self.routes = routes
        self._fresh = fresh or Fresh()

    async def census(self) -> Census:
        async with self._pool.session() as connection:
            row = await connection.fetchrow(_CENSUS, self._holder, LEASE_S)
        assert row is not None
        return Census(row["replicas"], row["vacant"])

    async def acquire(self, most: int) -> list[Lease]:
        async with self._transaction() as connection:
            rows = await connection.fetch(_ACQUIRE, self._holder, LEASE_S, most)
            await connection.execute(_HAND_BACK, self._holder, [row["partition"] for row in rows])
        self._fresh.doubt()  # whoever judged these partitions before may have left announcements
        return [
            Lease(
                row["partition"],
                row["fence"],
                Position(row["stream_created"], row["position"], row["position_at"]),
            )
            for row in rows
        ]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.transaction() as connection:
            # a replica that falls silent in the middle must not keep the partitions' rows from the others
            await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{SILENT_AT_MOST_S}s'")
            yield connection

    async def release(self, fences: Mapping[int, int]) -> None:
        """Hand the partitions back, as far as they are still held, and be counted no more."""
        async with self._pool.transaction() as connection:
            await connection.execute(_RELEASE, list(fences), list(fences.values()))
            await connection.execute("DELETE FROM replicas WHERE holder = $1", self._holder)

    async def load(self, partitions: Sequence[int]) -> list[Alert]:
        async with self._pool.session() as connection:
            return [_alert(row) for row in await connection.fetch(_LOAD, list(partitions))]

    async def lately_fired(self, partitions: Sequence[int]) -> list[tuple[Key, datetime]]:
        async with self._pool.session() as connection:
            rows = await connection.fetch(_LATELY_FIRED, list(partitions))
        return [
            (Key(row["rule"], row["kind"], row["source"], row["series"]), row["fired_at"]) for row in rows
        ]

    async def whereabouts(self, alert_id: str) -> Whereabouts | None:
        async with self._pool.session() as connection:
            row = await connection.fetchrow(_WHEREABOUTS, alert_id)
        return Whereabouts(row["state"], row["holder"]) if row else None

    async def commit(
        self,
        fences: Mapping[int, int],
        position: Position,
        changes: Iterable[Change],
        *,
        judged: Mapping[int, int],
    ) -> None:
        listed = list(changes)
        rows: list[Row] = []
        claimed_s = time.monotonic()
        async with self._transaction() as connection:
            moved = await connection.execute(
                _MOVE,
                list(fences),
                list(fences.values()),
                [max(position.sequence, judged[partition]) for partition in fences],
                position.stream_created,
                position.stored_at,
                LEASE_S,
            )
            if moved != f"UPDATE {len(fences)}":
                raise LeaseLost("another replica holds the partitions")
            if listed:
                rows = await self._write(connection, listed)
        if rows:
            self._fresh.add(rows, claimed_s=claimed_s)

    async def _write(self, connection: Connection, changes: list[Change]) -> list[Row]:
        """Return what the outbox holds now of these changes."""
        last = {change.alert.alert_id: change for change in changes}
        withdrawn = [one.alert.alert_id for one in last.values() if one.withdrawn]
        if withdrawn:
            await connection.execute("DELETE FROM alerts WHERE alert_id = ANY ($1::text[])", withdrawn)
        kept = [one.alert for one in last.values() if not one.withdrawn]
        kept.sort(key=lambda alert: alert.state is not State.RESOLVED)
        if kept:
            await connection.execute(_UPSERT, *zip(*map(_row, kept), strict=True))
        announced = [one if one.said else one.spoken() for one in changes if one.transition is not None]
        return await self._tell(connection, announced) if announced else []

    async def _tell(self, connection: Connection, announced: list[Change]) -> list[Row]:
        """Note transitions, and have the stream and the channels be told, where that was not done before."""
        subjects = [alerts_subject(one.alert.key.rule, one.alert.key.source) for one in announced]
        severities = [one.alert.severity for one in announced]
        inserted = await connection.fetch(
            _NOTE,
            *zip(*map(_noted, announced), strict=True),
            subjects,
            severities,
            EVENTS,
            self._holder,
            CLAIM_S,
        )
        if len(inserted) < len(announced):
            self._fresh.doubt()  # the earlier attempt's announcements must leave first
        ids = {(alert_id, sequence): number for number, alert_id, sequence in inserted}
        rows, new = [], []
        for one, subject in zip(announced, subjects, strict=True):
            alert = one.alert
            number = ids.get((alert.alert_id, alert.sequence))
            if number is not None:
                assert alert.severity is not None
                new.append(one)
                rows.append(
                    Row(number, alert.alert_id, alert.sequence, subject, alert.severity, one.at, one.said)
                )
        if new and self.routes.channels:
            await _notify(connection, new, self.routes)
        return rows


async def _notify(connection: Connection, announced: list[Change], routes: Routes) -> None:
    events = [one.event() for one in announced]
    told = [
        (event.alert_id, to.channel, to.group, to.interval_s, to.remind_s)
        for event in events
        for to in routes.recipients(event)
    ]
    if told:
        await connection.execute(_RECIPIENTS, *zip(*told, strict=True))
    await flaps.note(connection, events, routes)
    ids, sequences = [one.alert.alert_id for one in announced], [one.alert.sequence for one in announced]
    await connection.execute(_NOTICES, ids, sequences, [one.said for one in announced], list(routes.channels))


def _noted(one: Change) -> tuple[Any, ...]:
    alert = one.alert
    return (alert.alert_id, alert.sequence, one.at, str(one.transition), one.said, one.note)


def _row(alert: Alert) -> tuple[Any, ...]:
    key = alert.key
    return (
        alert.alert_id,
        key.rule,
        key.kind,
        key.source,
        alert.group,
        key.series,
        alert.partition,
        alert.state,
        alert.stale,
        alert.severity,
        alert.value,
        alert.threshold,
        alert.started_at,
        alert.fired_at,
        alert.resolved_at,
        alert.resolved_by,
        alert.acknowledged_by,
        alert.acknowledged_at,
        alert.summary,
        _TO_JSON.encode(alert.labels).decode(),
        _TO_JSON.encode(alert.held_since).decode(),
        alert.last_at,
        alert.rearm,
        alert.sequence,
        alert.acknowledged_until,
        alert.good_since,
        alert.description,
        alert.runbook_url,
        alert.flapping,
    )


def _alert(row: asyncpg.Record) -> Alert:
    held = json.decode(row["held_since"])
    return Alert(
        alert_id=row["alert_id"],
        key=Key(row["rule"], row["kind"], row["source"], row["series"]),
        group=row["group"],
        partition=row["partition"],
        state=State(row["state"]),
        started_at=row["started_at"],
        last_at=row["last_at"],
        stale=row["stale"],
        severity=_severity(row["severity"]),
        value=row["value"],
        threshold=row["threshold"],
        fired_at=row["fired_at"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=row["acknowledged_at"],
        summary=row["summary"],
        labels=json.decode(row["labels"]),
        held_since={Severity(name): datetime.fromisoformat(since) for name, since in held.items()},
        rearm=_severity(row["rearm"]),
        sequence=row["sequence"],
        acknowledged_until=row["acknowledged_until"],
        good_since=row["good_since"],
        description=row["description"],
        runbook_url=row["runbook_url"],
        flapping=row["flapping"],
    )


def _severity(name: str | None) -> Severity | None:
    return Severity(name) if name else None
