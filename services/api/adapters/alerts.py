"""Alerts as Postgres holds them; read only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from atalaia.database import Connection, Pool
from atalaia.errors import Transient
from atalaia.events.alerts import AlertTransition
from services.api.domain.active import Known
from services.api.ports import AlertQuery, AlertRecord

ANSWERS_WITHIN_S = 3.0
_FIELDS = """
SELECT a.alert_id, t.transition, coalesce(t.at, a.last_at) AS at, a.rule, a.series, a.source, a.kind,
       a."group", a.severity, a.state, a.value, a.threshold, a.started_at, a.summary, a.labels, a.resolved_at,
       a.resolved_by, a.acknowledged_by, a.acknowledged_until, a.description, a.runbook_url, a.flapping,
       a.stale, t.event, a.sequence
FROM alerts a LEFT JOIN alert_transitions t ON t.alert_id = a.alert_id AND t.sequence = a.sequence"""
_PAGE = f"""{_FIELDS}
WHERE a.state = $1 AND ($2::text IS NULL OR a.severity = $2) AND ($3::text IS NULL OR a.rule = $3)
  AND ($4::text IS NULL OR a.source = $4) AND ($5::text IS NULL OR a.alert_id < $5)
ORDER BY a.alert_id DESC LIMIT $6"""
_ONE = f"{_FIELDS} WHERE a.alert_id = $1"
_FIRING = f"{_FIELDS} WHERE a.state = 'firing'"
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
                _PAGE, query.state, query.severity, query.rule, query.source, query.before, query.limit
            )
        return [_record(row) for row in rows]

    async def one(self, alert_id: str) -> tuple[AlertRecord, list[dict[str, Any]]] | None:
        async with self._session() as connection:
            row = await connection.fetchrow(_ONE, alert_id)
            if row is None:
                return None
            timeline = await connection.fetch(_TIMELINE, alert_id)
        return _record(row), [_entry(one) for one in timeline]

    async def firing(self) -> list[Known]:
        async with self._session() as connection:
            rows = await connection.fetch(_FIRING)
        return [
            Known(row["sequence"], AlertTransition.model_validate_json(row["event"]))
            for row in rows
            if row["event"] is not None
        ]


def _record(row: asyncpg.Record) -> AlertRecord:
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
        silenced=False,
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
