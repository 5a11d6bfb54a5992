"""What was invalidated is served by nobody: not Redis, not another process, not a load that was slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from atalaia.cache import Cache
from tests.system.cache.conftest import Valkey
from tests.system.cache.test_flights import Loads
from tests.system.cache.worker import listening

Open = Callable[..., Cache]
PATTERNS = ["shop:*", "shop:Shop.price:*", "shop:Shop.price:1", "shop:*:1", "shop:Shop.pric[e]:?", "*"]


class Shop:
    """`truth` is what a load finds, once `loads` lets it go."""

    def __init__(self) -> None:
        self.truth = 1
        self.loads = Loads()
        self.loads.go.set()

    async def price(self, id: int) -> int:
        return await self.loads(self.truth)

    async def change(self, id: int, *, to: int) -> int:
        if to < 0:
            raise ValueError("no")
        self.truth = to
        return id


def on(cache: Cache, shop: Shop) -> Any:
    return cache.cached(ttl_s=60, namespace="shop")(shop.price)


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_what_matches_is_loaded_anew_by_everybody(opened: Open, valkey: Valkey, pattern: str) -> None:
    shop, one, other = Shop(), opened(valkey.url), opened(valkey.url, local_s=0)
    prices = [on(one, shop), on(other, shop)]
    assert [await price(1) for price in prices] == [1, 1]
    shop.truth = 2
    assert await one.invalidate(pattern)
    assert [await price(1) for price in prices] == [2, 2]


@pytest.mark.parametrize("pattern", ["stock:*", "shop:Shop.price:2", "shop:Shop.stock:*", "shop:*:2"])
async def test_what_does_not_match_stays(opened: Open, valkey: Valkey, pattern: str) -> None:
    shop, cache = Shop(), opened(valkey.url, local_s=0)
    price = on(cache, shop)
    await price(1)
    shop.truth = 2
    await cache.invalidate(pattern)
    assert await price(1) == 1


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
async def test_a_load_that_began_before_does_not_put_the_old_value_back(
    opened: Open, valkey: Valkey, pattern: str, elsewhere: bool
) -> None:
    shop, one, other = Shop(), opened(valkey.url), opened(valkey.url)
    price = on(one, shop)
    shop.loads.go.clear()
    slow = asyncio.create_task(price(1))
    await shop.loads.begun()
    shop.truth = 2
    await (other if elsewhere else one).invalidate(pattern)
    await on(other, Shop())(3)  # the generations are there again
    shop.loads.go.set()
    await slow
    assert await price(1) == 2


@pytest.mark.parametrize("pattern", ["shop:*", "shop:Shop.price:*"])
async def test_making_one_key_anew_does_not_make_another_good_again(
    opened: Open, valkey: Valkey, pattern: str
) -> None:
    shop, cache = Shop(), opened(valkey.url, local_s=0)
    price = on(cache, shop)
    await asyncio.gather(price(1), price(2))
    shop.truth = 2
    await cache.invalidate(pattern)
    assert [await price(1), await price(2)] == [2, 2]


@pytest.mark.parametrize("pattern", PATTERNS)
async def test_nor_does_it_without_redis(opened: Open, pattern: str) -> None:
    shop, cache = Shop(), opened(None)
    price = on(cache, shop)
    shop.loads.go.clear()
    slow = asyncio.create_task(price(1))
    await shop.loads.begun()
    shop.truth = 2
    await cache.invalidate(pattern)
    shop.loads.go.set()
    assert [await slow, await price(1)] == [1, 2]


async def test_a_call_after_it_does_not_join_a_load_from_before(opened: Open, valkey: Valkey) -> None:
    shop, cache = Shop(), opened(valkey.url)
    price = on(cache, shop)
    shop.loads.go.clear()
    slow = asyncio.create_task(price(1))
    await shop.loads.begun()
    shop.truth = 2
    await cache.invalidate("shop:*")
    after = asyncio.create_task(price(1))
    await shop.loads.begun(2)
    shop.loads.go.set()
    assert [await slow, await after] == [1, 2]


async def test_an_early_refresh_from_before_does_not_put_the_old_value_back(
    opened: Open, valkey: Valkey
) -> None:
    shop, cache = Shop(), opened(valkey.url)
    price = cache.cached(ttl_s=0.5, namespace="shop")(shop.price)
    await price(1)
    shop.loads.go.clear()
    async with asyncio.timeout(10):
        while shop.loads.began < 2:
            await price(1)
            await asyncio.sleep(0.005)
    shop.truth = 2
    await cache.invalidate("shop:*")
    shop.loads.go.set()
    assert await price(1) == 2


@pytest.mark.parametrize("pattern", ["notes:note:{text}:{lang}", "notes:note:{text}:*", "notes:*:{lang}"])
async def test_a_key_so_long_that_it_is_cut_is_reached_all_the_same(
    opened: Open, valkey: Valkey, pattern: str
) -> None:
    cache, text, truth = opened(valkey.url, local_s=0), "x" * 110, [1]

    async def note(text: str, lang: str) -> int:
        return truth[0]

    note.__qualname__ = "note"
    get = cache.cached(ttl_s=60, namespace="notes")(note)
    await get(text, "portuguese")
    truth[0] = 2
    await cache.invalidate(pattern, text=text, lang="portuguese")
    assert await get(text, "portuguese") == 2


async def test_a_lost_generation_is_an_invalidation_never_the_opposite(opened: Open, valkey: Valkey) -> None:
    shop, cache = Shop(), opened(valkey.url, local_s=0)
    price = on(cache, shop)
    await price(1)
    await cache.invalidate("shop:*")
    async with Redis.from_url(valkey.url) as redis:  # as eviction would
        await redis.delete("atalaia:~:shop", "atalaia:~:shop:Shop.price")
    shop.truth = 2
    assert await price(1) == 2


async def test_other_processes_hear_of_it_at_once(worker: Any, tmp_path: Path) -> None:
    (tmp_path / "truth").write_text("old")
    one, other = await worker(LOCAL_S="3600"), await worker()
    await one.ask("get", "k", "1")  # from its local tier for an hour
    await one.ask("listens")
    await other.ask("change", "new", "truth:*")
    async with asyncio.timeout(10):
        while (await one.ask("get", "k", "1"))["values"] != ["new"]:
            await asyncio.sleep(0.01)


async def test_a_process_that_does_not_hear_serves_the_old_value_no_longer_than_said(
    opened: Open, valkey: Valkey
) -> None:
    shop, deaf, other = Shop(), opened(valkey.url, local_s=0.5), opened(valkey.url)
    deaf._listening = True  # it believes so
    price = on(deaf, shop)
    await price(1)
    shop.truth = 2
    told_s = time.monotonic()
    await other.invalidate("shop:*")
    async with asyncio.timeout(10):
        while True:
            asked_s = time.monotonic()
            if await price(1) == 2:
                break
            assert asked_s - told_s < 0.5
            await asyncio.sleep(0.005)


async def test_the_decorator_invalidates_once_the_function_has_succeeded(
    opened: Open, valkey: Valkey
) -> None:
    shop, cache = Shop(), opened(valkey.url, local_s=0)
    price = on(cache, shop)
    change = cache.invalidates("shop:Shop.price:{id}", "shop:*:{result}")(shop.change)
    await price(1)
    with pytest.raises(ValueError, match="no"):
        await change(1, to=-1)
    shop.truth = 2
    assert await price(1) == 1
    await change(1, to=3)
    assert await price(1) == 3


async def test_clear_tells_the_other_local_tiers_and_counts(opened: Open, valkey: Valkey) -> None:
    shop, one, other = Shop(), opened(valkey.url), opened(valkey.url, local_s=3600)
    here, there = on(one, shop), on(other, shop)
    await here(1)
    async with Redis.from_url(valkey.url) as redis:
        await there(1)
        await listening(valkey.url, 2)
        await redis.set("somebody:else", "1")
        shop.truth = 2
        assert await one.clear("shop:*") == 1
        assert await redis.exists("somebody:else")
    async with asyncio.timeout(10):
        while await there(1) != 2:
            await asyncio.sleep(0.01)
