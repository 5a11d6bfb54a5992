"""One flight per key, in and across processes; nobody waits for ever for somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atalaia.cache import Cache
from atalaia.errors import NotFound
from tests.system.cache.conftest import Valkey

Open = Callable[..., Cache]


class Loads:
    """A function's body that the test lets go."""

    def __init__(self) -> None:
        self.began = 0
        self.go = asyncio.Event()

    async def __call__(self, value: int = 7) -> int:
        self.began += 1
        await self.go.wait()
        return value

    async def begun(self, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while self.began < count:
                await asyncio.sleep(0.001)


async def test_200_calls_of_a_cold_key_in_two_processes_run_the_function_once(
    worker: Any, tmp_path: Path
) -> None:
    (tmp_path / "truth").write_text("1")
    one, other = await worker(LOAD_S="0.3"), await worker(LOAD_S="0.3")
    answers = await asyncio.gather(one.ask("get", "cold", "100"), other.ask("get", "cold", "100"))
    assert [answer["values"] for answer in answers] == [["1"], ["1"]]
    assert sum(answer["ran"] for answer in answers) == 1


@pytest.mark.parametrize("end", ["killed", "hanging"])
async def test_the_end_of_the_process_that_loads_does_not_stop_the_other(
    worker: Any, tmp_path: Path, end: str
) -> None:
    (tmp_path / "truth").write_text("1")
    holder, other = await worker(FLIGHT_S="0.5"), await worker(FLIGHT_S="0.5")
    await holder.ask("hang")
    holder.say("get", "cold", "1")
    assert await holder.answer() == "hanging"
    if end == "killed":
        holder.kill()
    assert await other.ask("get", "cold", "100") == {"values": ["1"], "ran": 1}


async def test_a_load_that_hangs_here_does_not_stop_later_calls(opened: Open, valkey: Valkey) -> None:
    cache, loads = opened(valkey.url), Loads()

    @cache.cached(ttl_s=60, namespace="n", flight_s=0.2)
    async def get() -> int:
        if loads.began == 0:
            await loads()
        loads.began += 1
        return loads.began

    first = asyncio.create_task(get())
    await loads.begun()
    async with asyncio.timeout(5):
        assert set(await asyncio.gather(*(get() for _ in range(50)))) == {2}
    loads.go.set()
    await first


@pytest.mark.parametrize("redis", [True, False])
async def test_an_exception_reaches_all_who_wait_and_is_not_kept(
    opened: Open, valkey: Valkey, redis: bool
) -> None:
    cache, loads = opened(valkey.url if redis else None), Loads()

    @cache.cached(ttl_s=60, namespace="n")
    async def get() -> int:
        await loads()
        if loads.began == 1:
            raise NotFound("first time")
        return loads.began

    calls = [asyncio.create_task(get()) for _ in range(10)]
    await loads.begun()
    loads.go.set()
    assert {str(one) for one in await asyncio.gather(*calls, return_exceptions=True)} == {"first time"}
    assert await get() == 2


async def test_a_caller_that_is_cancelled_leaves_the_flight_to_the_others(
    opened: Open, valkey: Valkey
) -> None:
    cache, loads = opened(valkey.url), Loads()

    @cache.cached(ttl_s=60, namespace="n")
    async def get() -> int:
        return await loads()

    first, second = asyncio.create_task(get()), asyncio.create_task(get())
    await loads.begun()
    first.cancel()
    await asyncio.wait({first})
    loads.go.set()
    assert (await second, loads.began) == (7, 1)


async def test_calls_in_flight_when_the_cache_closes_are_answered(valkey: Valkey) -> None:
    cache, loads = Cache(valkey.url), Loads()

    @cache.cached(ttl_s=60, namespace="n")
    async def get() -> int:
        return await loads()

    calls = [asyncio.create_task(get()) for _ in range(3)]
    await loads.begun()
    loads.go.set()
    await cache.close()
    assert await asyncio.gather(*calls) == [7, 7, 7]


async def test_a_hot_key_is_made_anew_before_it_expires(opened: Open, valkey: Valkey) -> None:
    cache = opened(valkey.url)
    made = 0

    @cache.cached(ttl_s=0.5, namespace="hot")
    async def get() -> int:
        nonlocal made
        await asyncio.sleep(0.05)
        made += 1
        return made

    async with asyncio.timeout(20):
        while await get() < 4:
            await asyncio.sleep(0.001)
    counts = cache.counts("hot")
    assert (counts.misses, counts.joined) == (1, 0)  # nobody but the first call waited
    assert counts.early_refreshes >= 3


async def test_a_refresh_slower_than_what_is_left_still_runs_once(opened: Open, valkey: Valkey) -> None:
    one, other = opened(valkey.url, local_s=0), opened(valkey.url, local_s=0)
    loads = Loads()

    def on(cache: Cache) -> Any:
        @cache.cached(ttl_s=0.5, namespace="hot")
        async def get() -> int:
            if loads.began:
                return await loads(8)
            loads.began += 1
            return 7

        return get

    get, elsewhere = on(one), on(other)
    async with asyncio.timeout(10):
        while loads.began < 2:
            await get()
            await asyncio.sleep(0.005)
        call = asyncio.create_task(elsewhere())
        while (await asyncio.wait({call}, timeout=0.1))[0]:  # until the old value is dead
            assert call.result() == 7
            call = asyncio.create_task(elsewhere())
        loads.go.set()
        assert (await call, loads.began) == (8, 2)
