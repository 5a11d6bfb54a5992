"""The cache, as the gateway's endpoints see it."""

from __future__ import annotations

from dataclasses import asdict

from atalaia.cache import Cache
from services.api.ports import CacheReport


class RedisCache:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def report(self) -> CacheReport:
        return CacheReport(**asdict(await self._cache.status()))

    async def clear(self, pattern: str) -> int:
        return await self._cache.clear(pattern)
