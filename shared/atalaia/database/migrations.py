"""Migrations: numbered SQL files, each applied once, whoever comes first."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import asyncpg

from atalaia.database.errors import ours
from atalaia.errors import Misconfigured

_LOCK = 0x417461_6C616961  # any number that is ours
_TABLE = """
CREATE TABLE IF NOT EXISTS atalaia_migrations (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)"""


async def migrate(url: str, folder: Path) -> list[str]:
    """Apply what is missing of `folder/*.sql`, in order of name, and return the names applied.

    Safe to run twice and at once: the second waits, then finds nothing to do.
    Each file is one transaction together with its record.

    Raises:
        Transient: the database is away.
        Misconfigured: a file that was applied has been changed since.
    """
    files = await asyncio.to_thread(lambda: sorted(folder.glob("*.sql")))
    with ours():
        connection = await asyncpg.connect(url, timeout=5, command_timeout=300, statement_cache_size=0)
        try:
            # held by a transaction, not by the session: it works through a transaction-pooling proxy, too
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(_TABLE)
                return await _apply(connection, files)
        finally:
            await connection.close(timeout=2)


async def _apply(connection: asyncpg.Connection[asyncpg.Record], files: list[Path]) -> list[str]:
    rows = await connection.fetch("SELECT name, checksum FROM atalaia_migrations")
    known: dict[str, str] = {row["name"]: row["checksum"] for row in rows}
    applied = []
    for file in files:
        text = file.read_text()
        checksum = sha256(text.encode()).hexdigest()
        if file.name not in known:
            async with connection.transaction():
                await connection.execute(text)
                await connection.execute(
                    "INSERT INTO atalaia_migrations (name, checksum) VALUES ($1, $2)", file.name, checksum
                )
            applied.append(file.name)
        elif known[file.name] != checksum:
            raise Misconfigured(
                f"migration {file.name} was changed after it had been applied; add a new file"
            )
    return applied
