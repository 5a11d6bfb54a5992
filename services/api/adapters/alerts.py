"""Alerts as Postgres holds them; read only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from atalaia.database import Connection, Pool
from atalaia.errors import Transient
from atalaia.events.alerts import AlertTransition
from atalaia.events.matching import Conditions, alert_labels, conditions, hold
from services.api.domain.active import Known
from services.api.ports import AlertQuery, AlertRecord

ANSWERS_WITHIN_S = 3.0
_ALERT = """
SELECT a.alert_id, t.transition, coalesce(t.at, a.last_at) AS at, a.rule, a.series, a.source, a.kind,
       a."group", a.severity, a.state, a.value, a.threshold, a.started_at, a.summary, a.labels, a.resolved_at,
       a.resolved_by, a.acknowledged_by, a.acknowledged_until, a.description, a.runbook_url, a.flapping,
       a.stale, t.event, a.sequence
FROM"""
_LAST = "a LEFT JOIN alert_transitions t ON t.alert_id = a.alert_id AND t.sequence = a.sequence"
# chosen first, then joined: not each that might be chosen with its last transition
_CHOSEN = """(
    SELECT * FROM alerts
    WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR severity = $2)
      AND ($3::text IS NULL OR rule = $3)
      AND ($4::text IS NULL OR source = $4) AND ($5::text IS NULL OR alert_id < $5)
      AND ($6::timestamptz IS NULL OR resolved_at IS NULL OR resolved_at >= $6)
      AND ($7::timestamptz IS NULL OR started_at <= $7)
    ORDER BY alert_id DESC LIMIT $8)"""
_UNRESOLVED = "(SELECT * FROM alerts WHERE state IN ('pending', 'firing') ORDER BY alert_id DESC LIMIT $2)"
_PAGE = f"{_ALERT} {_CHOSEN} {_LAST} ORDER BY a.alert_id DESC"
_ONE = f"{_ALERT} alerts {_LAST} WHERE a.alert_id = $1"
_FIRING = f"{_ALERT} alerts {_LAST} WHERE a.state = 'firing'"
_ALL_FIRING = f"{_ALERT} alerts {_LAST} WHERE a.state = 'firing' ORDER BY a.alert_id DESC"
_CURRENT = f"""{_ALERT} {_UNRESOLVED} {_LAST}
UNION ALL {_ALERT} alerts {_LAST} WHERE a.state = 'resolved' AND a.alert_id = ANY ($1::text[])"""
_SILENCES = "SELECT matchers FROM silences WHERE starts_at <= now() AND ends_at > now()"
_DELIVERIES = """
SELECT t.at, d.channel, t.attempt, t.outcome, t.http_status, t.detail
FROM delivery_alerts a JOIN deliveries d USING (key) JOIN delivery_attempts t USING (key)
WHERE a.alert_id = $1 ORDER BY t.at, t.attempt"""
_TIMELINE = "SELECT at, transition, event, note FROM alert_transitions WHERE alert_id = $1 ORDER BY sequence"


class PostgresAlerts:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        """Lend a connection, for all of an answer: whoever asked is told soon to come back later."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S), self._pool.session() as connection:
                yield connection
        except TimeoutError as error:
            raise Transient(f"postgres: no answer within {ANSWERS_WITHIN_S:g} s") from error
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Transient("postgres: alerting has not made its tables yet") from error

    async def page(self, query: AlertQuery) -> list[AlertRecord]:
        async with self._session() as connection:
            rows = await connection.fetch(
                _PAGE,
                query.state,
                query.severity,
                query.rule,
                query.source,
                query.before,
                query.since,
                query.until,
                query.limit,
            )
            silences = await _current_silences(connection)
        return [_record(row, silences) for row in rows]

    async def one(self, alert_id: str) -> tuple[AlertRecord, list[dict[str, Any]]] | None:
        async with self._session() as connection:
            row = await connection.fetchrow(_ONE, alert_id)
            if row is None:
                return None
            timeline = [_entry(one) for one in await connection.fetch(_TIMELINE, alert_id)]
            timeline += [_delivery(one) for one in await connection.fetch(_DELIVERIES, alert_id)]
            silences = await _current_silences(connection)
        return _record(row, silences), sorted(timeline, key=lambda entry: entry["at"])

    async def hidden_by(self, matchers: Conditions, limit: int) -> tuple[list[AlertRecord], int]:
        async with self._session() as connection:
            rows = await connection.fetch(_ALL_FIRING)
            silences = await _current_silences(connection)
        found = [row for row in rows if hold(matchers, _labels(row))]
        return [_record(row, silences) for row in found[:limit]], len(found)

    async def firing(self) -> list[Known]:
        async with self._session() as connection:
            rows = await connection.fetch(_FIRING)
        return [
            Known(row["sequence"], AlertTransition.model_validate_json(row["event"]))
            for row in rows
            if row["event"] is not None
        ]

    async def current(self, known: Sequence[str], most: int) -> list[tuple[int, AlertRecord]]:
        async with self._session() as connection:
            rows = await connection.fetch(_CURRENT, list(known), most)
            silences = await _current_silences(connection)
        return [(row["sequence"], _record(row, silences)) for row in rows]


async def _current_silences(connection: Connection) -> list[Conditions]:
    return [conditions(json.loads(row["matchers"])) for row in await connection.fetch(_SILENCES)]


def _labels(row: asyncpg.Record) -> dict[str, str]:
    return alert_labels(
        rule=row["rule"],
        source=row["source"],
        kind=row["kind"],
        group=row["group"],
        severity=row["severity"] or "",
        series=row["series"],
        labels=json.loads(row["labels"]),
    )


def _record(row: asyncpg.Record, silences: list[Conditions]) -> AlertRecord:
    labels = _labels(row) if silences else {}
    return AlertRecord(
        alert_id=row["alert_id"],
        transition=row["transition"],
        at=row["at"],
        rule=row["rule"],
        series=row["series"],
        source=row["source"],
        kind=row["kind"],
        group=row["group"],
        severity=row["severity"],
        state=row["state"],
        value=row["value"],
        threshold=row["threshold"],
        started_at=row["started_at"],
        summary=row["summary"],
        labels=json.loads(row["labels"]),
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_until=row["acknowledged_until"],
        description=row["description"],
        runbook_url=row["runbook_url"],
        flapping=row["flapping"],
        stale=row["stale"],
        silenced=any(hold(matchers, labels) for matchers in silences),
    )


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    event = json.loads(row["event"])
    return {
        "at": row["at"],
        "type": "transition",
        "transition": row["transition"],
        "severity": event["severity"],
        "value": event["value"],
        "threshold": event["threshold"],
        "by": event.get("by") or event.get("resolved_by"),
        "note": row["note"],
    }


def _delivery(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "at": row["at"],
        "type": "delivery",
        "channel": row["channel"],
        "attempt": row["attempt"],
        "outcome": row["outcome"],
        "http_status": row["http_status"],
        "detail": row["detail"],
    }
