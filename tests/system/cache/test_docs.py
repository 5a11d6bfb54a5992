"""What docs/cache.md and docs/resilience.md show, executed."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import atalaia.cache
from atalaia.cache import process
from atalaia.errors import NotFound, Transient
from tests.system.cache.conftest import Valkey
from tests.system.platform import ROOT


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return what runs a page's snippets, one after the other, and returns the names they define."""

    def run(page: str, **given: Any) -> dict[str, Any]:
        module = types.ModuleType("documented")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        names = vars(module)
        names |= given
        snippets = re.findall(r"```python\n(.*?)```", (Path(ROOT) / "docs" / page).read_text(), re.DOTALL)
        assert snippets
        for snippet in snippets:
            exec(compile(snippet, page, "exec", dont_inherit=True), names)
        return names

    return run


@pytest.fixture
async def cache_page(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch, executed: Callable[..., dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setattr(process, "_default", process._Default())
    yield executed("cache.md")
    await atalaia.cache.close()


async def test_the_first_function_is_cached_and_taken_back(cache_page: dict[str, Any]) -> None:
    get_user, rename, user = cache_page["get_user"], cache_page["rename"], cache_page["User"]
    for _ in range(2):
        assert await get_user(42) == user(42, "user 42")
    await rename(42, "Ann")
    await get_user(42)
    counts = atalaia.cache.default().counts("users")
    assert (counts.local_hits, counts.misses) == (1, 2)


async def test_the_application_configures_and_closes(cache_page: dict[str, Any]) -> None:
    async def serve() -> None:
        await cache_page["get_user"](1)

    cache_page["serve"] = serve
    await cache_page["main"]()


async def test_a_cache_of_ones_own(cache_page: dict[str, Any], valkey: Valkey) -> None:
    assert await cache_page["report"](valkey.url) == {"lamps": 7}


async def test_keys_by_template_and_by_callable(cache_page: dict[str, Any]) -> None:
    orders = cache_page["Orders"](object(), "acme")
    assert await orders.get(7, trace=object()) == {"id": 7}
    assert await orders.search(["b", "a"]) == await orders.search(["a", "b"]) == [1, 2]
    assert atalaia.cache.default().counts("orders").misses == 2


async def test_failures_that_are_kept(cache_page: dict[str, Any]) -> None:
    for _ in range(2):
        with pytest.raises(NotFound, match="nobody is called Eve"):
            await cache_page["find_user"]("Eve")
    assert atalaia.cache.default().counts("users").misses == 1


async def test_by_hand(cache_page: dict[str, Any]) -> None:
    await cache_page["get_user"](42)
    assert await cache_page["forget"](42)
    await cache_page["get_user"](42)
    assert atalaia.cache.default().counts("users").misses == 2


async def test_the_bank(executed: Callable[..., dict[str, Any]]) -> None:
    async def ask_the_bank(amount: int) -> str:
        if amount < 0:
            raise Transient("away")
        return "paid"

    page = executed("resilience.md", ask_the_bank=ask_the_bank)
    assert await page["checkout"](1) == "paid"
    await page["ping"]("bank")
    assert [await page["checkout"](-1) for _ in range(5)] == ["the bank does not answer"] * 5
    assert await page["checkout"](1) == "try again in 1 s"
