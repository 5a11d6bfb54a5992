"""The cache: Redis behind a breaker, so that a dead one costs next to nothing."""

from atalaia.cache.client import Cache, CacheStatus

__all__ = ["Cache", "CacheStatus"]
