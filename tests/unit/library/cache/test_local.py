from __future__ import annotations

import pytest

from atalaia.cache.local import OVERHEAD_BYTES, LocalTier
from atalaia.cache.patterns import Reach, pattern, widened


def tier(*keys: str, entries: int = 10, size_bytes: int = 10_000) -> LocalTier:
    tier = LocalTier(most_entries=entries, most_bytes=size_bytes)
    for key in keys:
        put(tier, key)
    return tier


def put(tier: LocalTier, key: str, payload: bytes = b"v1", *, dead_at_s: float = 2.0) -> None:
    space, name, _ = key.split(":", 2)
    labels = (space, f"{space}:{name}")
    tier.put(key, payload, labels=labels, fresh_until_s=1.0, dead_at_s=dead_at_s)


def held(tier: LocalTier, *keys: str, now_s: float = 0.0) -> list[str]:
    return [key for key in keys if tier.get(key, now_s) is not None]


def test_what_is_dead_is_not_served() -> None:
    assert held(tier("u:get:1"), "u:get:1", now_s=1.9) == ["u:get:1"]
    assert held(tier("u:get:1"), "u:get:1", now_s=2.0) == []


def test_the_least_recently_used_goes_first() -> None:
    full = tier("u:get:1", "u:get:2", entries=2)
    held(full, "u:get:1")
    put(full, "u:get:3")
    assert held(full, "u:get:1", "u:get:2", "u:get:3") == ["u:get:1", "u:get:3"]


def test_bytes_are_bounded() -> None:
    one = len("u:get:1") + 100 + OVERHEAD_BYTES
    full = tier(size_bytes=2 * one)
    for number in range(3):
        put(full, f"u:get:{number}", b"x" * 100)
    assert held(full, "u:get:0", "u:get:1", "u:get:2") == ["u:get:1", "u:get:2"]
    assert full.size_bytes == 2 * one


def test_what_is_too_large_is_not_kept_but_costs_nothing() -> None:
    full = tier("u:get:1", size_bytes=1000)
    put(full, "u:get:2", b"x" * 2000)
    assert full.size_bytes == 0


def test_replacing_an_entry_does_not_count_it_twice() -> None:
    twice = tier("u:get:1", "u:get:1")
    assert (len(twice), twice.size_bytes) == (1, len("u:get:1") + len(b"v1") + OVERHEAD_BYTES)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("u:*", ["o:get:1"]),
        ("u:get:*", ["u:all:1", "o:get:1"]),
        ("u:get:1", ["u:get:2", "u:all:1", "o:get:1"]),
        ("u:get:2*", ["u:get:1", "u:all:1", "o:get:1"]),
        ("u:*:1", ["o:get:1"]),  # more than is meant, here where it is cheap to have it back
        ("*", []),
    ],
)
def test_a_pattern_takes_at_least_what_it_means(text: str, left: list[str]) -> None:
    keys = ["u:get:1", "u:get:2", "u:all:1", "o:get:1"]
    some = tier(*keys)
    some.drop(pattern(text))
    assert held(some, *keys) == left


def test_what_comes_after_an_invalidation_stays() -> None:
    some = tier("u:get:1")
    some.drop(pattern("u:*"))
    put(some, "u:get:2")
    assert held(some, "u:get:1", "u:get:2") == ["u:get:2"]


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("users:get_user:42", Reach.KEY),
        ("users:*", Reach.LABEL),
        ("users:get_user:*", Reach.LABEL),
        ("users:get_user:42:*", Reach.WALK),
        ("users:get_*", Reach.WALK),
        ("users:*:42", Reach.WALK),
        ("users:get_user:[ab]", Reach.WALK),
        ("*", Reach.WALK),
        ("users:\\*", Reach.WALK),
    ],
)
def test_what_a_pattern_takes(text: str, reach: Reach) -> None:
    assert pattern(text).reach is reach


def test_too_many_patterns_become_their_namespaces() -> None:
    many = [pattern(text) for text in ("u:get:1", "u:get:2", "o:*:7")]
    assert [one.text for one in widened(many)] == ["o:*", "u:*"]
    assert [one.text for one in widened([*many, pattern("*:7")])] == ["*"]
