"""A Redis client with short timeouts and a breaker, and what it tells of itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from atalaia.errors import Refused, Transient
from atalaia.resilience.breaker import Breaker

T = TypeVar("T")
CONNECT_WITHIN_S = 0.04
CALL_WITHIN_S = 0.05
BULK_WITHIN_S = 10.0
SCANNED_AT_ONCE = 1000


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


class Cache:
    """One Redis, of which only keys that begin with `prefix` are ours. Without a URL there is none."""

    def __init__(self, url: str | None, *, prefix: str = "atalaia:") -> None:
        self._prefix = prefix
        self._breaker = Breaker()
        self._redis = _client(url, CONNECT_WITHIN_S) if url else None
        self._bulk = _client(url, BULK_WITHIN_S) if url else None  # scans take longer than a read may
        self.hits = 0
        self.misses = 0
        self._calls = 0
        self._seconds = 0.0

    async def call(self, command: Callable[[Redis], Awaitable[T]], *, within_s: float = CALL_WITHIN_S) -> T:
        """Run one command.

        Raises:
            Refused: Redis was away a moment ago.
            Transient: it is away, slow, or there is none.
        """
        return await self._guarded(self._redis, command, within_s)

    async def ping(self) -> float:
        """Return the time of a round trip in seconds, asked of the server even while the circuit is open.

        Raises:
            Transient: away or slow.
        """
        if self._bulk is None:
            raise Transient("no cache is configured")
        began = time.monotonic()
        try:
            async with asyncio.timeout(BULK_WITHIN_S):
                await self._bulk.echo("")
        except (RedisError, OSError, TimeoutError) as error:
            raise Transient(_text(error)) from error
        return time.monotonic() - began

    async def status(self) -> CacheStatus:
        """Return what there is to know; never raises, never waits long."""
        backend, memory, keys = "off" if self._redis is None else "redis", None, None
        available = False
        if self._redis is not None:
            try:
                info = await self.call(lambda redis: redis.info(), within_s=0.5)
                available = True
                backend = _backend(info)
                memory = int(info["used_memory"])
                keys = await self._guarded(self._bulk, self._count, 2.0)
            except Transient:
                available = False
        asked = self.hits + self.misses
        return CacheStatus(
            available=available,
            backend=backend,
            hits=self.hits,
            misses=self.misses,
            hit_ratio=self.hits / asked if asked else None,
            keys=keys,
            memory_bytes=memory,
            mean_latency_s=self._seconds / self._calls if self._calls else None,
        )

    async def clear(self, pattern: str = "*") -> int:
        """Remove our keys that match, below the prefix, and return how many; 0 without a cache.

        Raises:
            Transient: Redis is away.
        """
        if self._bulk is None:
            return 0

        async def remove(redis: Redis) -> int:
            removed = 0
            batch: list[bytes] = []
            async for key in redis.scan_iter(match=_escaped(self._prefix) + pattern, count=SCANNED_AT_ONCE):
                batch.append(key)
                if len(batch) >= SCANNED_AT_ONCE:
                    removed += int(await redis.unlink(*batch))
                    batch.clear()
            return removed + (int(await redis.unlink(*batch)) if batch else 0)

        return await self._guarded(self._bulk, remove, BULK_WITHIN_S)

    async def close(self) -> None:
        for redis in (self._redis, self._bulk):
            if redis is not None:
                await redis.aclose()
                await redis.connection_pool.disconnect()

    async def _count(self, redis: Redis) -> int:
        count = 0
        async for _ in redis.scan_iter(match=f"{_escaped(self._prefix)}*", count=SCANNED_AT_ONCE):
            count += 1
        return count

    async def _guarded(
        self, redis: Redis | None, command: Callable[[Redis], Awaitable[T]], within_s: float
    ) -> T:
        if redis is None:
            raise Transient("no cache is configured")
        began = time.monotonic()
        try:
            self._breaker.enter(began)
        except Refused as error:
            raise Refused("redis was away a moment ago", retry_in_s=error.retry_in_s) from None
        try:
            async with asyncio.timeout(within_s):
                answer = await command(redis)
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(time.monotonic(), dice=random.random())
            raise Transient(f"redis: {_text(error)}") from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        self._calls += 1
        self._seconds += time.monotonic() - began
        return answer


def _client(url: str, timeout_s: float) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=20,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=CONNECT_WITHIN_S if timeout_s < 1 else 1.0,
        retry=Retry(NoBackoff(), 0),
        client_name="atalaia",
    )
    return Redis(connection_pool=pool)


def _backend(info: dict[str, object]) -> str:
    if "valkey_version" in info:
        return f"valkey {info['valkey_version']}"
    return f"redis {info.get('redis_version', '')}".strip()


def _escaped(literal: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in literal)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
