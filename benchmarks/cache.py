"""What a cached call costs: a hit, a miss, a dead and a hung Redis, next to the bare function, in one run."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from atalaia.cache import Cache
from atalaia.embedded import ValkeyServer, free_port
from benchmarks.figures import Figure, show

CALLS, ROUNDS = 1000, 5
KEYS = 20_000
Call = Callable[[int], Awaitable[object]]


async def get_user(user_id: int) -> dict[str, int | str]:
    await asyncio.sleep(0)
    return {"id": user_id, "name": "Ann Example", "city": "Lisbon", "orders": 17}


def cached_in(cache: Cache, *, ttl_s: float = 600.0) -> Call:
    return cache.cached(ttl_s=ttl_s, namespace="users")(get_user)


async def measure() -> list[Figure]:
    fresh = count(1_000_000)
    async with _valkey() as server, _patient(server.url) as cache, _patient(server.url, local_s=0) as behind:
        local, remote = cached_in(cache), cached_in(behind)
        await local(1)
        bare_us = await _mean_us(get_user, _same())
        figures = [
            _figure("bare function", bare_us, bare_us),
            _figure("hit, local tier", await _mean_us(local, _same()), bare_us),
            _figure("hit, Redis", await _mean_us(remote, _same()), bare_us),
            _figure("hit, Redis, 50 keys at once", await _crowd_us(remote, range(50)), bare_us),
            _figure("miss, stored in Redis", await _mean_us(local, fresh), bare_us),
        ]
        await _fill(local)
        figures += [
            _figure("invalidate users:* of 20 000 keys", await _invalidation_us(cache, "users:*"), bare_us),
            _figure("invalidate one key", await _invalidation_us(cache, "users:get_user:7"), bare_us),
            _figure("invalidate users:*:7, a walk", await _invalidation_us(cache, "users:*:7"), bare_us),
        ]
    for fault, number in (("dead", signal.SIGKILL), ("hung", signal.SIGSTOP)):
        async with _valkey() as server, Cache(server.url) as cache:
            call = cached_in(cache)
            await call(1)
            assert server.pid is not None
            os.kill(server.pid, number)
            paid_us = sorted([await _once_us(call, next(fresh)) for _ in range(CALLS)])
            figures += [
                _figure(f"Redis {fault}, {CALLS} misses: median", statistics.median(paid_us), bare_us),
                _figure(f"Redis {fault}, {CALLS} misses: mean", statistics.mean(paid_us), bare_us),
                _figure(f"Redis {fault}, {CALLS} misses: worst", paid_us[-1], bare_us),
                _figure(f"Redis {fault}: hit, local tier", await _mean_us(call, _same(), CALLS), bare_us),
            ]
            if number == signal.SIGSTOP:
                os.kill(server.pid, signal.SIGCONT)
    return figures


def _patient(url: str, *, local_s: float = 2.0) -> Cache:
    """Return a cache that a busy machine does not make believe that Redis is away."""
    return Cache(url, local_s=local_s, within_s=1.0)


@asynccontextmanager
async def _valkey() -> AsyncIterator[ValkeyServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(Path(folder), port=free_port(), password="bench", sink=lambda _: None)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def _figure(name: str, us: float, bare_us: float) -> Figure:
    return Figure(name, us, "µs/call", us / bare_us, "the bare function")


def _same() -> Iterator[int]:
    while True:
        yield 1


async def _once_us(call: Call, argument: int) -> float:
    began_s = time.perf_counter()
    await call(argument)
    return (time.perf_counter() - began_s) * 1e6


async def _mean_us(call: Call, arguments: Iterator[int], calls: int = CALLS) -> float:
    """Return the best of several rounds: others use this machine too."""
    rounds = []
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        for _ in range(calls):
            await call(next(arguments))
        rounds.append((time.perf_counter() - began_s) / calls * 1e6)
    return min(rounds)


async def _crowd_us(call: Call, arguments: range) -> float:
    await asyncio.gather(*(call(one) for one in arguments))
    rounds = []
    for _ in range(CALLS // len(arguments)):
        began_s = time.perf_counter()
        await asyncio.gather(*(call(one) for one in arguments))
        rounds.append((time.perf_counter() - began_s) / len(arguments) * 1e6)
    return statistics.median(rounds)


async def _fill(call: Call) -> None:
    for first in range(0, KEYS, 200):
        await asyncio.gather(*(call(one) for one in range(first, first + 200)))


async def _invalidation_us(cache: Cache, pattern: str) -> float:
    return min([await _once_us(lambda _: cache.invalidate(pattern), 0) for _ in range(ROUNDS)])


def main() -> None:
    show("cache: the price of a call", asyncio.run(measure()))


if __name__ == "__main__":
    main()
