"""What is kept, for whom, and how it comes back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from redis.asyncio import Redis

import atalaia.cache
from atalaia.cache import Cache, cache_result, invalidate_cache_on_change, process
from atalaia.errors import Invalid, NotFound
from tests.system.cache.conftest import Valkey
from tests.system.platform import ROOT

Open = Callable[..., Cache]


@dataclass
class User:
    id: int
    name: str


class Users:
    def __init__(self, cache: Cache) -> None:
        self.asked: list[Any] = []
        self.get = cache.cached(ttl_s=60, namespace="users")(self._get)
        self.find = cache.cached(ttl_s=60, namespace="users", negative_ttl_s=60, negative=(NotFound,))(
            self._find
        )

    async def _get(self, id: int, lang: str = "en") -> User | None:
        self.asked.append((id, lang))
        return User(id, f"name-{lang}") if id else None

    async def _find(self, name: str) -> User | None:
        self.asked.append(name)
        if name == "gone":
            raise NotFound("no such user", field="name")
        return None


@pytest.fixture(params=["local", "redis"])
def users(request: pytest.FixtureRequest, opened: Open, valkey: Valkey) -> Users:
    return Users(opened(None) if request.param == "local" else opened(valkey.url, local_s=0))


async def test_the_second_call_has_what_the_first_one_made(users: Users) -> None:
    assert await users.get(1) == await users.get(id=1, lang="en") == User(1, "name-en")
    assert users.asked == [(1, "en")]


async def test_other_arguments_are_another_call(users: Users) -> None:
    await users.get(1)
    await users.get(1, lang="de")
    assert users.asked == [(1, "en"), (1, "de")]


async def test_nobody_can_spoil_what_others_get(users: Users) -> None:
    (first := await users.get(1)).name = "spoilt"  # type: ignore[union-attr]
    assert await users.get(1) != first


async def test_none_is_not_kept_unless_wanted(users: Users) -> None:
    assert [await users.get(0), await users.get(0)] == [None, None]
    assert users.asked == [(0, "en")] * 2


async def test_none_is_kept_where_wanted(users: Users) -> None:
    assert [await users.find("nobody"), await users.find("nobody")] == [None, None]
    assert users.asked == ["nobody"]


async def test_a_chosen_exception_is_kept_with_what_it_carries(users: Users) -> None:
    for _ in range(2):
        with pytest.raises(NotFound, match="no such user") as failure:
            await users.find("gone")
        assert failure.value.field == "name"
    assert users.asked == ["gone"]


async def test_what_another_version_stored_is_a_miss_and_is_replaced(opened: Open, valkey: Valkey) -> None:
    cache = opened(valkey.url, local_s=0)

    def version(annotation: Any, value: Any) -> Any:
        async def get() -> Any:
            return value

        return cache.cached(ttl_s=60, namespace="v", returns=annotation, key=lambda: 1)(get)

    old, new = version(str, "text"), version(dict[str, int], {"a": 1})
    assert await old() == "text"
    assert [await new(), await new()] == [{"a": 1}, {"a": 1}]
    assert (cache.counts("v").unreadable, cache.counts("v").redis_hits) == (1, 2)


async def test_a_result_that_is_not_what_was_promised_is_passed_on(opened: Open, valkey: Valkey) -> None:
    cache = opened(valkey.url)

    @cache.cached(ttl_s=60, namespace="wrong")
    async def get() -> int:
        return cast("int", "seven")

    assert {await get(), await get()} == {cast("int", "seven")}
    assert cache.counts("wrong").unstorable == 2


async def test_an_entry_lives_in_redis_under_a_key_that_can_be_read_for_as_long_as_said(
    opened: Open, valkey: Valkey
) -> None:
    cache = opened(valkey.url)
    await Users(cache).get(42)
    async with Redis.from_url(valkey.url) as redis:
        found = await redis.keys("atalaia:users:*")
        assert found == [b"atalaia:users:Users._get:42:en"]
        assert 59 <= await redis.ttl(found[0]) <= 60


SPELL = """
from atalaia.cache.keys import spelled
print(spelled([{"b", "a", "c"}, {"z": 1, "y": (1.5, None)}, frozenset([3, 1])]), spelled("x" * 500)[:3])
"""


def test_keys_are_the_same_in_every_process() -> None:
    def printed(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "shared")}
        return subprocess.run(
            [sys.executable, "-c", SPELL], env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert len({printed(seed) for seed in ("1", "2", "3")}) == 1


class Repository:
    """All of its instances share what they keep."""

    asked = 0

    @cache_result(ttl_s=60, namespace="repo")
    async def get(self, id: int) -> int:
        Repository.asked += 1
        return Repository.asked

    @classmethod
    @cache_result(ttl_s=60, namespace="repo")
    async def of_class(cls, id: int) -> int:
        Repository.asked += 1
        return Repository.asked

    @staticmethod
    @cache_result(ttl_s=60, namespace="repo")
    async def static(id: int) -> int:
        Repository.asked += 1
        return Repository.asked

    @invalidate_cache_on_change("repo:Repository.get:{id}", "repo:*:{result}")
    async def change(self, id: int) -> int:
        return id


@pytest.fixture
async def redis_url(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setattr(process, "_default", process._Default())
    yield valkey.url
    await atalaia.cache.close()


@pytest.mark.usefixtures("redis_url")
async def test_methods_of_every_kind_are_kept_in_what_the_environment_names() -> None:
    for call in (Repository().get, Repository.of_class, Repository.static):
        assert await call(1) == await call(1)
    assert await Repository().get(1) == await Repository().get(id=1)
    assert (await atalaia.cache.default().status()).backend.startswith("valkey")


@pytest.mark.usefixtures("redis_url")
async def test_a_method_that_changes_takes_back_what_it_names() -> None:
    before = await Repository().get(2)
    static = await Repository.static(2)
    assert await Repository().change(2) == 2
    assert await Repository().get(2) > before
    assert await Repository.static(2) > static


@pytest.mark.usefixtures("redis_url")
async def test_what_was_configured_goes_before_the_environment() -> None:
    atalaia.cache.configure(None)
    await Repository().get(3)
    assert (await atalaia.cache.default().status()).backend == "off"


def wrong(**how: Any) -> Any:
    return cache_result(**{"ttl_s": 1, **how})


async def returns_int(x: int) -> int:
    return x


def plain(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("decorator", "function", "says"),
    [
        (wrong(), plain, "async functions"),
        (wrong(), staticmethod(returns_int), "below @staticmethod"),
        (wrong(key="{y}"), returns_int, "takes no y"),
        (invalidate_cache_on_change("a:{y}"), returns_int, "takes no y"),
        (invalidate_cache_on_change("a:*"), plain, "async functions"),
    ],
)
def test_what_cannot_work_is_refused_at_decoration(decorator: Any, function: Any, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        decorator(function)


@pytest.mark.parametrize("how", [{"ttl_s": 0}, {"flight_s": -1}, {"negative_ttl_s": 0}])
def test_seconds_are_more_than_none(how: dict[str, float]) -> None:
    with pytest.raises(Invalid, match="more than 0"):
        wrong(**how)


async def test_counts_add_up(opened: Open, valkey: Valkey) -> None:
    cache = opened(valkey.url)
    users = Users(cache)
    await asyncio.gather(*(users.get(1) for _ in range(10)))
    await users.get(1)
    other = opened(valkey.url)
    await Users(other).get(1)
    here, there = cache.counts("users"), other.counts("users")
    assert (here.misses, here.joined, here.local_hits, there.redis_hits) == (1, 9, 1, 1)
    assert cache.gauges()['cache.hit_ratio{cache.namespace="users"}'] == 10 / 11
    assert cache.histograms()['cache.redis.duration{cache.namespace="users"}'].count == 2  # claim, store
    status = await cache.status()
    assert (status.hits, status.misses) == (10, 1)
