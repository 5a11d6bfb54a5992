"""Readers and writers at once, in two caches: nobody sees the past for longer than said."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from atalaia.cache import Cache
from tests.system.cache.conftest import Valkey

WRITES, READERS = 150, 8
LOCAL_S, LOAD_S = 0.2, 0.01


class History:
    """A number that grows, and when each value had been invalidated everywhere it can be."""

    def __init__(self) -> None:
        self.truth = 0
        self.told: list[tuple[float, int]] = [(0.0, 0)]
        self.over = False

    def least(self, at_s: float) -> int:
        """Return the value that had been announced at a moment."""
        return next(value for told_s, value in reversed(self.told) if told_s <= at_s)

    async def load(self, key: int) -> int:
        await asyncio.sleep(random.uniform(0, LOAD_S))
        value = self.truth
        await asyncio.sleep(random.uniform(0, LOAD_S))
        return value

    async def write(self, cache: Cache, patterns: list[str]) -> None:
        for _ in range(WRITES):
            self.truth += 1
            value = self.truth
            await cache.invalidate(random.choice(patterns))
            self.told.append((time.monotonic(), value))
            await asyncio.sleep(random.uniform(0, 2 * LOAD_S))
        self.over = True

    async def read(self, cache: Cache, *, may_lag_s: float) -> int:
        get = cache.cached(ttl_s=0.15, namespace="races")(self.load)
        reads = 0
        while not self.over:
            least = self.least(time.monotonic() - may_lag_s)
            assert await get(1) >= least
            reads += 1
            await asyncio.sleep(0)
        return reads


@pytest.mark.parametrize("pattern", ["races:*", "races:History.load:1", "races:*:1", "any of them"])
@pytest.mark.parametrize("redis", ["there", "restarting"])
async def test_nobody_reads_what_was_invalidated(
    opened: Callable[..., Cache], valkey: Valkey, pattern: str, redis: str
) -> None:
    history = History()
    one, other = (opened(valkey.url, local_s=LOCAL_S) for _ in range(2))
    patterns = ["races:*", "races:History.load:1", "races:*:1"] if pattern == "any of them" else [pattern]

    async def restart() -> None:
        while redis == "restarting" and not history.over:
            await valkey.kill()
            await valkey.start()
            await asyncio.sleep(0.3)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(history.write(one, patterns))
        group.create_task(restart())
        for _ in range(READERS):
            group.create_task(history.read(one, may_lag_s=0))
            group.create_task(history.read(other, may_lag_s=LOCAL_S + 10 * LOAD_S))
    assert one.counts("races").hits > 0
