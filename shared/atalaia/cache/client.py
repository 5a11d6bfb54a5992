"""The cache as applications and services hold it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ParamSpec, Self, TypeVar, Unpack

from atalaia.cache.decorators import How, cached, invalidating
from atalaia.cache.keys import Template
from atalaia.cache.patterns import pattern as _read
from atalaia.cache.tiers import Tiers
from atalaia.errors import Transient
from atalaia.events.metrics import HistogramDelta

P = ParamSpec("P")
R = TypeVar("R")
Async = Callable[P, Coroutine[Any, Any, R]]


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What this process knows of its cache; None where it is away, or there is nothing to say yet."""

    available: bool
    backend: str
    hits: int
    misses: int
    hit_ratio: float | None
    keys: int | None
    memory_bytes: int | None
    mean_latency_s: float | None


class Cache(Tiers):
    """One Redis, of which only keys that begin with `prefix` are ours; without a URL, the local tier alone.

    Belongs to one event loop; nothing connects before the first use. What another process invalidates may
    be served from here for `local_s` at most, usually for a millisecond. `within_s` is what one command may
    take; after two that took longer in a row Redis is left alone until it answers again.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def cached(self, **how: Unpack[How]) -> Callable[[Async[P, R]], Async[P, R]]:
        """Return the decorator `cache_result` that keeps what it keeps here."""
        return cached(lambda: self, **how)

    def invalidates(self, *patterns: str) -> Callable[[Async[P, R]], Async[P, R]]:
        """Return the decorator `invalidate_cache_on_change` for what is kept here."""
        return invalidating(lambda: self, *patterns)

    async def invalidate(self, *patterns: str, **values: object) -> bool:
        """Let nobody be served what is kept now under keys that match; return whether Redis knows already.

        `users:*` and `users:get_user:*` cost one command however many keys they mean, and so does a key
        without wildcards. Other patterns walk over every key in Redis (1 ms for 1000). With `values`, fields
        in braces are filled in as arguments are spelled in keys: `invalidate("users:get_user:{id}", id=42)`.

        False: Redis is away. Nothing is served from here meanwhile, and it is told before anything else
        once it is back.
        """
        texts = [Template(one).render(values, of="invalidate") for one in patterns] if values else patterns
        return await self.invalidate_each([_read(text) for text in texts])

    async def clear(self, pattern: str = "*") -> int:
        """Remove our keys that match, below the prefix, and return how many; 0 without a cache.

        Raises:
            Transient: Redis is away.
        """
        meant = _read(pattern)
        self._take_back(meant)
        if self._remote is None or self._news is None:
            return 0
        news = self._news.told([meant])
        removed = await self._remote.bulk(lambda redis: self._entries.walk(redis, pattern))
        self._take_back(meant)
        await self._remote.call(lambda redis: self._entries.invalidate(redis, (), news))
        return removed

    async def ping(self) -> float:
        """Return the time of a round trip in seconds, asked of the server even while the circuit is open.

        Raises:
            Transient: away or slow, or there is none.
        """
        if self._remote is None:
            raise Transient("no cache is configured")
        return await self._remote.ping()

    async def status(self) -> CacheStatus:
        """Return what there is to know; never raises, never waits long."""
        remote, total = self._remote, self._book.total()
        backend, memory, keys, available = "off" if remote is None else "redis", None, None, False
        if remote is not None:
            with contextlib.suppress(Transient):
                info = await remote.bulk(lambda redis: redis.info(), within_s=0.5)
                available, backend, memory = True, _backend(info), int(info["used_memory"])
                keys = await remote.bulk(self._entries.count, within_s=2.0)
        return CacheStatus(
            available=available,
            backend=backend,
            hits=total.hits,
            misses=total.misses,
            hit_ratio=total.hit_ratio,
            keys=keys,
            memory_bytes=memory,
            mean_latency_s=remote.mean_s if remote is not None else None,
        )

    def counters(self) -> dict[str, float]:
        """Return {series: value} since the start, growing only, by namespace (at most 50)."""
        return self._book.counters()

    def gauges(self) -> dict[str, float]:
        """Return {series: value} of this moment."""
        return self._book.gauges() | {
            "cache.available": float(self._remote is not None and self._remote.available),
            "cache.local.entries": float(len(self._local)),
            "cache.local.size": float(self._local.size_bytes),
            "cache.invalidations.owed": float(len(self._owed)),
        }

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return {series: how long Redis took since the last call}, by namespace; for one reader."""
        return self._book.histograms()


def _backend(info: dict[str, object]) -> str:
    if "valkey_version" in info:
        return f"valkey {info['valkey_version']}"
    return f"redis {info.get('redis_version', '')}".strip()
