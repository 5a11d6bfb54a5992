"""Silences in Postgres."""

from __future__ import annotations

import json
from datetime import datetime

import asyncpg

from atalaia.database import Pool
from atalaia.errors import Conflict, NotFound
from atalaia.events.matching import conditions, spelt
from services.alerting.domain.silences import Silence

_CURRENT = "SELECT * FROM silences WHERE ends_at > now() ORDER BY id"
_CREATE = """
INSERT INTO silences (id, matchers, starts_at, ends_at, by, comment)
VALUES ($1, $2::jsonb, $3, $4, $5, $6)"""
_EXPIRE = """
UPDATE silences SET ends_at = $2, starts_at = least(starts_at, $2), expired_by = $3
WHERE id = $1 AND ends_at > $2"""


class PostgresSilences:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def current(self) -> list[Silence]:
        """Return those that are not over."""
        async with self._pool.session() as connection:
            return [_silence(row) for row in await connection.fetch(_CURRENT)]

    async def create(self, silence: Silence) -> None:
        async with self._pool.session() as connection:
            await connection.execute(
                _CREATE,
                silence.id,
                json.dumps(spelt(silence.matchers)),
                silence.starts_at,
                silence.ends_at,
                silence.by,
                silence.comment,
            )

    async def expire(self, silence_id: str, *, by: str, at: datetime) -> None:
        """End a silence now.

        Raises:
            NotFound: there is none of that id. Conflict: it is over already.
        """
        async with self._pool.session() as connection:
            ended = await connection.execute(_EXPIRE, silence_id, at, by)
            known = await connection.fetchval("SELECT id FROM silences WHERE id = $1", silence_id)
        if known is None:
            raise NotFound(f"no silence {silence_id!r}", field="silence_id")
        if ended == "UPDATE 0":
            raise Conflict(f"silence {silence_id} is over already", field="silence_id")


def _silence(row: asyncpg.Record) -> Silence:
    return Silence(
        row["id"],
        conditions(json.loads(row["matchers"])),
        row["starts_at"],
        row["ends_at"],
        row["by"],
        row["comment"],
    )
