"""The cache: `@cache_result`, `@invalidate_cache_on_change`, and Redis behind a breaker."""

from atalaia.cache.client import Cache, CacheStatus
from atalaia.cache.process import cache_result, close, configure, default, invalidate_cache_on_change

__all__ = [
    "Cache",
    "CacheStatus",
    "cache_result",
    "close",
    "configure",
    "default",
    "invalidate_cache_on_change",
]
