"""Redis dead, hung, full, back: no call fails, none pays for long, and nothing stale comes back with it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from atalaia.cache import Cache
from atalaia.cache.remote import Remote
from tests.system.cache.conftest import Valkey
from tests.system.cache.test_invalidation import Shop, on

Open = Callable[..., Cache]
FAULTS = ["dead", "hung"]
SOON_S = 5.0


async def hurt(valkey: Valkey, fault: str) -> None:
    if fault == "dead":
        await valkey.kill()
    elif fault == "hung":
        valkey.signal(signal.SIGSTOP)
    else:
        async with Redis.from_url(valkey.url) as redis:
            await redis.config_set("maxmemory-policy", "noeviction")
            await redis.config_set("maxmemory", "1")


async def mend(valkey: Valkey, fault: str) -> None:
    if fault == "dead":
        await valkey.start()
    valkey.signal(signal.SIGCONT)


class Numbers:
    """A function that is cheap to call and known to be right."""

    def __init__(self, cache: Cache) -> None:
        self.called = 0
        self.cache = cache
        self.square = cache.cached(ttl_s=60, namespace="numbers", flight_s=60)(self._square)

    async def _square(self, x: int) -> int:
        self.called += 1
        return x * x

    async def all_right(self, first: int, count: int) -> None:
        values = await asyncio.gather(*(self.square(x) for x in range(first, first + count)))
        assert values == [x * x for x in range(first, first + count)]

    async def hits_redis(self) -> None:
        """Wait until Redis gives back what was put there."""
        hits = self.cache.counts("numbers").redis_hits
        async with asyncio.timeout(SOON_S):
            while self.cache.counts("numbers").redis_hits == hits:
                await self.square(1)
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [*FAULTS, "full"])
async def test_no_call_fails_when_redis_goes_under_load(opened: Open, valkey: Valkey, fault: str) -> None:
    numbers = Numbers(opened(valkey.url, within_s=0.05))

    away = asyncio.Event()

    async def load() -> None:
        first = left = 0
        while left < 1000:
            await numbers.all_right(first, 100)
            first += 100
            left += 100 if away.is_set() else 0

    async def fail() -> None:
        while numbers.called < 500:
            await asyncio.sleep(0)
        await hurt(valkey, fault)
        away.set()

    await asyncio.gather(load(), fail())
    if fault in FAULTS:  # one that is full still answers
        assert numbers.cache.counts("numbers").skipped > 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_hardly_a_call_waits_for_it(opened: Open, valkey: Valkey, fault: str) -> None:
    numbers = Numbers(opened(valkey.url, within_s=0.05))
    await numbers.square(0)
    await hurt(valkey, fault)
    before = numbers.cache.counts("numbers").skipped
    for x in range(1, 301):
        await numbers.square(x)
    # the price in time is a benchmark's: `python -m benchmarks.cache`
    assert numbers.cache.counts("numbers").skipped - before > 250


@pytest.mark.parametrize("fault", FAULTS)
async def test_hits_come_again_soon_after_redis_does(opened: Open, valkey: Valkey, fault: str) -> None:
    numbers = Numbers(opened(valkey.url, within_s=0.05, local_s=0))
    await numbers.hits_redis()
    await hurt(valkey, fault)
    for x in range(100):
        await numbers.square(x)
    assert numbers.cache.gauges()["cache.available"] == 0
    await mend(valkey, fault)
    await numbers.hits_redis()


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_local_tier_serves_meanwhile(opened: Open, valkey: Valkey, fault: str) -> None:
    numbers = Numbers(opened(valkey.url, local_s=60, within_s=0.05))
    await numbers.square(1)
    await hurt(valkey, fault)
    for _ in range(3):
        await numbers.square(1)  # from before
        await numbers.square(2)  # from now
    assert numbers.called == 2


async def test_it_starts_without_redis_and_finds_it_later(opened: Open, valkey: Valkey) -> None:
    await valkey.kill()
    numbers = Numbers(opened(valkey.url, within_s=0.05, local_s=0))
    await numbers.all_right(0, 10)
    await valkey.start()
    await numbers.hits_redis()


async def test_leases_that_a_hung_redis_gives_too_late_keep_nobody_waiting(
    opened: Open, valkey: Valkey
) -> None:
    one = Numbers(opened(valkey.url, within_s=0.5, local_s=0))
    other = Numbers(opened(valkey.url, local_s=0))
    await one.all_right(100, 50)  # connections that will carry claims
    valkey.signal(signal.SIGSTOP)
    await one.all_right(2, 50)
    valkey.signal(signal.SIGCONT)
    await one.hits_redis()
    async with asyncio.timeout(10):  # a lease of nobody's would last 60 s
        await other.all_right(2, 50)


async def test_what_is_invalidated_while_redis_hangs_is_never_served_again_by_who_did_it(
    opened: Open, valkey: Valkey
) -> None:
    shop, cache = Shop(), opened(valkey.url, within_s=0.05)
    price = on(cache, shop)
    await price(1)
    valkey.signal(signal.SIGSTOP)
    shop.truth = 2
    assert not await cache.invalidate("shop:*")
    assert await price(1) == 2
    valkey.signal(signal.SIGCONT)
    async with asyncio.timeout(SOON_S):
        while cache.gauges()["cache.invalidations.owed"]:
            assert await price(1) == 2
            await asyncio.sleep(0.005)
    assert await price(1) == 2


@pytest.mark.parametrize("pattern", ["shop:*", "shop:Shop.price:1", "shop:*:1"])
async def test_what_is_invalidated_while_redis_hangs_is_soon_served_by_nobody(
    opened: Open, valkey: Valkey, pattern: str
) -> None:
    shop, one, other = Shop(), opened(valkey.url, within_s=0.05), opened(valkey.url, within_s=0.05)
    price = on(other, shop)
    await price(1)
    valkey.signal(signal.SIGSTOP)
    shop.truth = 2
    async with asyncio.timeout(SOON_S):  # not as long as a walk may take
        assert not await one.invalidate(pattern)
    valkey.signal(signal.SIGCONT)
    async with asyncio.timeout(SOON_S):
        while await price(1) != 2:
            await asyncio.sleep(0.01)


async def test_an_invalidation_that_is_cancelled_is_remembered(opened: Open, valkey: Valkey) -> None:
    shop, cache = Shop(), opened(valkey.url)
    price = on(cache, shop)
    await price(1)
    valkey.signal(signal.SIGSTOP)
    shop.truth = 2
    invalidating = asyncio.create_task(cache.invalidate("shop:*"))
    await asyncio.wait({invalidating}, timeout=0.05)
    invalidating.cancel()
    await asyncio.wait({invalidating})
    assert cache.gauges()["cache.invalidations.owed"] == 1
    valkey.signal(signal.SIGCONT)
    assert await price(1) == 2


async def test_what_was_owed_is_bounded(opened: Open, valkey: Valkey) -> None:
    cache = opened(valkey.url, within_s=0.05)
    await valkey.kill()
    for number in range(1100):
        await cache.invalidate(f"shop:price:{number}")
    assert cache.gauges()["cache.invalidations.owed"] <= 1000


async def test_nothing_is_left_running_after_close(valkey: Valkey) -> None:
    before = asyncio.all_tasks()
    numbers = Numbers(Cache(valkey.url, within_s=0.05))
    await numbers.square(1)
    valkey.signal(signal.SIGSTOP)
    await numbers.all_right(2, 10)
    await numbers.cache.close()
    assert asyncio.all_tasks() == before
    assert await numbers.square(1) == 1


async def test_status_answers_in_every_state(opened: Open, valkey: Valkey) -> None:
    numbers = Numbers(opened(valkey.url, within_s=0.05))
    await numbers.square(1)
    well: Any = await numbers.cache.status()
    assert (well.available, well.misses, well.keys) == (True, 1, 1)
    valkey.signal(signal.SIGSTOP)
    away = await numbers.cache.status()
    assert (away.available, away.misses, away.keys) == (False, 1, None)


async def test_a_hung_redis_does_not_hold_up_the_end(valkey: Valkey) -> None:
    cache = Cache(valkey.url, within_s=1.0)
    numbers = Numbers(cache)
    await numbers.all_right(0, 10)
    valkey.signal(signal.SIGSTOP)
    asking = asyncio.gather(*(numbers.square(x) for x in range(100, 120)))
    async with asyncio.timeout(SOON_S):
        await cache.close()
        assert await asking == [x * x for x in range(100, 120)]


async def test_a_probe_that_comes_too_early_is_not_the_last(valkey: Valkey) -> None:
    async def nothing(redis: Redis) -> None:
        return

    remote = Remote(valkey.url, within_s=1.0, mend=nothing)
    remote.heal()
    healing = remote._healing
    assert healing is not None
    await asyncio.sleep(0)
    remote._breaker.trip(time.monotonic() + 0.3)  # later than the probe that is on its way
    async with asyncio.timeout(SOON_S):
        await healing
        assert remote.available
    await remote.close(within_s=1.0)
