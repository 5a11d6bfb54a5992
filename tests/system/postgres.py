"""What tests of the pool need to know of Postgres, asked beside the pool; and a server of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg

from atalaia.database import Connection, Pool
from atalaia.embedded import PostgresServer, free_port
from atalaia.embedded.postgres import ROOTS_FOLDER


async def sessions_of(url: str, application: str) -> list[tuple[int, str]]:
    """Return (process, state) of each session of an application, by process."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT pid, state FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid", application
        )
        return [(row["pid"], row["state"]) for row in rows]
    finally:
        await connection.close()


async def running(url: str, application: str) -> list[str]:
    """Return the statements that an application's sessions execute now."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT query FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'", application
        )
        return [row["query"] for row in rows]
    finally:
        await connection.close()


async def end_sessions(url: str, application: str) -> int:
    """End an application's sessions from outside; return how many there were."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1",
            application,
        )
        return len(rows)
    finally:
        await connection.close()


async def eventually(ask: Callable[[], Awaitable[object]], wanted: object, *, within_s: float = 10.0) -> None:
    """Await that `ask` returns what is wanted."""
    deadline_s = asyncio.get_running_loop().time() + within_s
    while (found := await ask()) != wanted:
        assert asyncio.get_running_loop().time() < deadline_s, f"still {found!r}, not {wanted!r}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def held(pool: Pool, connections: int) -> AsyncIterator[list[Connection]]:
    """Hold so many connections at once."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(pool.session()) for _ in range(connections)]


@asynccontextmanager
async def own_postgres(folder: Path) -> AsyncIterator[PostgresServer]:
    """A server that a test may kill."""
    folder_id = uuid.uuid4().hex
    server = PostgresServer(
        folder, port=free_port(), password="secret", folder_id=folder_id, sink=lambda line: None
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.to_thread(shutil.rmtree, ROOTS_FOLDER / folder_id, ignore_errors=True)


async def kill(server: PostgresServer) -> None:
    """SIGKILL it, as the kernel does when memory is short."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
