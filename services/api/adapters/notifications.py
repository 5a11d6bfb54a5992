"""Channels and silences as Postgres holds them; read only."""

from __future__ import annotations

import json

import asyncpg

from atalaia.database import Pool
from services.api.ports import ChannelRecord, SilenceQuery, SilenceRecord

_CHANNELS = """
SELECT c.*, coalesce(w.waiting, 0) AS waiting, w.oldest
FROM channels c LEFT JOIN (
    SELECT channel, count(*) AS waiting, min(queued_at) AS oldest FROM notices GROUP BY channel
) w ON w.channel = c.name
ORDER BY c.name"""
_FIELDS = """
SELECT *, CASE WHEN ends_at <= now() THEN 'expired' WHEN starts_at > now() THEN 'pending' ELSE 'active' END
    AS state
FROM silences"""
_SILENCES = f"""{_FIELDS}
WHERE ($1::text IS NULL OR ($1 = 'expired') = (ends_at <= now()))
  AND ($1::text IS NULL OR $1 = 'expired' OR ($1 = 'pending') = (starts_at > now()))
  AND ($2::text IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3"""
_SILENCE = f"{_FIELDS} WHERE id = $1"


class PostgresNotifications:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def channels(self) -> list[ChannelRecord]:
        async with self._pool.session() as connection:
            rows = await connection.fetch(_CHANNELS)
        return [
            ChannelRecord(
                name=row["name"],
                kind=row["kind"],
                target=row["target"],
                failures=row["failures"],
                not_before=row["not_before"],
                waiting=row["waiting"],
                oldest_waiting_at=row["oldest"],
                last_success_at=row["last_success_at"],
                last_failure_at=row["last_failure_at"],
                last_error=row["last_error"],
            )
            for row in rows
        ]

    async def silences(self, query: SilenceQuery) -> list[SilenceRecord]:
        async with self._pool.session() as connection:
            rows = await connection.fetch(_SILENCES, query.state, query.before, query.limit)
        return [_silence(row) for row in rows]

    async def silence(self, silence_id: str) -> SilenceRecord | None:
        async with self._pool.session() as connection:
            row = await connection.fetchrow(_SILENCE, silence_id)
        return None if row is None else _silence(row)


def _silence(row: asyncpg.Record) -> SilenceRecord:
    return SilenceRecord(
        id=row["id"],
        matchers=json.loads(row["matchers"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        by=row["by"],
        comment=row["comment"],
        created_at=row["created_at"],
        expired_by=row["expired_by"],
        state=row["state"],
    )
