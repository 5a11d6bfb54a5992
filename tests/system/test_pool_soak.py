"""50 clients while Postgres is killed twice: who asks through the pool hardly notices."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from atalaia.database import Connection, Pool
from atalaia.errors import Transient
from tests.system.postgres import eventually, kill, own_postgres, sessions_of

NAME = "pool-of-many"
CLIENTS = 50
NONE_HANGS_S = 20.0


@dataclass
class Tally:
    succeeded: int = 0
    failed: int = 0
    longest_s: float = 0.0


async def _client(pool: Pool, number: int, tally: Tally, end_s: float) -> None:
    """Read and write in turn, each attempt bounded."""

    async def work(connection: Connection) -> None:
        if turn % 4 == 0:
            await connection.execute("UPDATE t SET n = n + 1 WHERE id = $1", number)
        else:
            await connection.fetchval("SELECT n FROM t WHERE id = $1", number)

    turn = 0
    while time.monotonic() < end_s:
        turn += 1
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(NONE_HANGS_S):
                await (pool.write(work) if turn % 4 == 0 else pool.read(work))
            tally.succeeded += 1
        except Transient:
            tally.failed += 1
        tally.longest_s = max(tally.longest_s, time.monotonic() - began_s)


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.long)])
async def test_fifty_clients_hardly_notice_two_kills(seconds: float, tmp_path: Path) -> None:
    async with own_postgres(tmp_path / "postgres") as server:
        pool = Pool(server.url, application=NAME)
        async with pool.session() as connection:
            await connection.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
            await connection.execute("INSERT INTO t SELECT g, 0 FROM generate_series(0, 49) AS g")
        tally, end_s = Tally(), time.monotonic() + seconds
        clients = [asyncio.create_task(_client(pool, number, tally, end_s)) for number in range(CLIENTS)]
        for _ in range(2):
            await asyncio.sleep(seconds / 3)  # the load has to be under way
            await kill(server)
            await server.start()
        await asyncio.gather(*clients)
        print(tally, pool.metrics.retries)
        assert tally.succeeded / (tally.succeeded + tally.failed) >= 0.999, tally
        await eventually(lambda: _used(pool), 0)
        assert all(state == "idle" for _, state in await sessions_of(server.url, NAME))
        await pool.close()
        await eventually(lambda: sessions_of(server.url, NAME), [])


async def _used(pool: Pool) -> int:
    return pool.metrics.sizes().used
