"""The pool against a bare asyncpg pool, and against a connection for each request.

One row is selected by its key, by 20 callers at once. The variants take turns, a
slice each, for many rounds: whatever else the machine does hits all of them. The pool
is measured with its defaults, and with the reset query after every use that asyncpg's sends.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil

from atalaia.database import Pool
from atalaia.embedded import local_servers
from benchmarks.figures import Figure, show

CALLERS = 20
ROUNDS = 40
SLICE_S = 0.25
QUERY = "SELECT name FROM things WHERE id = $1"
Request = Callable[[int], Awaitable[object]]


@dataclass
class Variant:
    name: str
    request: Request
    latencies_s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def requests(self) -> int:
        return len(self.latencies_s)

    async def slice(self, seconds: float, cpu_s: Callable[[], float]) -> None:
        """Let the callers ask for a while; count what it costs here and in Postgres."""
        before, cpu_before_s, began_s = self.requests, cpu_s(), time.perf_counter()
        end_s = began_s + seconds
        await asyncio.gather(*(self._call(caller, end_s) for caller in range(CALLERS)))
        self.rates.append((self.requests - before) / (time.perf_counter() - began_s))
        self.cpu_s += cpu_s() - cpu_before_s

    async def _call(self, caller: int, end_s: float) -> None:
        key = caller
        while (began_s := time.perf_counter()) < end_s:
            await self.request(key % 1000)
            self.latencies_s.append(time.perf_counter() - began_s)
            key += 7


async def measure(url: str, postmaster: int) -> list[Figure]:
    bare = await asyncpg.create_pool(url, min_size=CALLERS, max_size=50)
    pool, resetting = Pool(url), Pool(url, reset_always=True)
    try:
        await bare.execute("CREATE TABLE things (id int PRIMARY KEY, name text)")
        await bare.execute("INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(0, 999) AS n")

        async def of_bare(key: int) -> object:
            async with bare.acquire() as connection:
                return await connection.fetchval(QUERY, key)

        async def of_pool(key: int) -> object:
            async with pool.session() as connection:
                return await connection.fetchval(QUERY, key)

        async def of_resetting(key: int) -> object:
            async with resetting.session() as connection:
                return await connection.fetchval(QUERY, key)

        async def of_connect(key: int) -> object:
            connection = await asyncpg.connect(url)
            try:
                return await connection.fetchval(QUERY, key)
            finally:
                await connection.close()

        variants = [
            Variant("bare asyncpg pool", of_bare),
            Variant("pool", of_pool),
            Variant("pool, reset_always", of_resetting),
            Variant("connection per request", of_connect),
        ]
        cpu = _Cpu(postmaster)
        for variant in variants:  # warm
            await variant.slice(SLICE_S, cpu.seconds)
            variant.latencies_s.clear()
            variant.rates.clear()
            variant.cpu_s = 0.0
        for number in range(ROUNDS):
            for variant in variants[number % 4 :] + variants[: number % 4]:
                await variant.slice(SLICE_S, cpu.seconds)
        return _figures(*variants)
    finally:
        await pool.close()
        await resetting.close()
        await bare.close()


class _Cpu:
    """CPU seconds of this process, of Postgres, and of the sessions that Postgres has had."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = psutil.Process(postmaster)

    def seconds(self) -> float:
        own, server = os.times(), self._postmaster.cpu_times()
        ended = server.children_user + server.children_system  # reaped: connections of one request
        living = sum(_cpu_of(child) for child in self._postmaster.children())
        return own.user + own.system + server.user + server.system + ended + living


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def _figures(bare: Variant, pool: Variant, resetting: Variant, connect: Variant) -> list[Figure]:
    figures = []
    for variant, peer in ((bare, None), (connect, None), (pool, bare), (resetting, bare), (pool, connect)):
        rate, name = statistics.median(variant.rates), variant.name
        ratios: tuple[float | None, ...] = (None, None, None)
        if peer is not None:
            # slice by slice, for what they had in common was the moment
            pairs = [ours / theirs for ours, theirs in zip(variant.rates, peer.rates, strict=True)]
            ratios = (statistics.median(pairs), _ms(variant) / _ms(peer), _cpu_us(variant) / _cpu_us(peer))
        of = peer.name if peer is not None else ""
        figures += [
            Figure(f"{name}: requests a second", rate, "/s", ratios[0], of),
            Figure(f"{name}: response time, median", _ms(variant), "ms", ratios[1], of),
            Figure(f"{name}: CPU here and in Postgres per request", _cpu_us(variant), "µs", ratios[2], of),
        ]
    return figures


def _ms(variant: Variant) -> float:
    return 1000 * statistics.median(variant.latencies_s)


def _cpu_us(variant: Variant) -> float:
    return 1e6 * variant.cpu_s / variant.requests


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with local_servers(Path(folder)) as servers:
            assert servers.postgres.pid is not None
            return await measure(servers.postgres.url, servers.postgres.pid)


def main() -> None:
    show("pool: one row by its key, 20 callers at once", asyncio.run(_run()))


if __name__ == "__main__":
    main()
