"""What the cache tells of itself, by namespace."""

from __future__ import annotations

from dataclasses import dataclass, fields

MOST_NAMESPACES = 50
OTHER = "_other"


@dataclass(slots=True)
class Counts:
    """Of one namespace, since the start. Every call is one hit (local, redis or joined) or one miss."""

    local_hits: int = 0
    redis_hits: int = 0
    joined: int = 0  # waited for a call of the same key in this process
    misses: int = 0
    early_refreshes: int = 0
    skipped: int = 0  # of the misses: Redis was away
    unreadable: int = 0
    unstorable: int = 0
    invalidated_meanwhile: int = 0  # loaded, not stored
    redis_calls: int = 0
    redis_s: float = 0.0

    @property
    def hits(self) -> int:
        return self.local_hits + self.redis_hits + self.joined

    @property
    def hit_ratio(self) -> float | None:
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else None


class Book:
    """Counts of at most 50 namespaces; the rest share `_other`."""

    def __init__(self) -> None:
        self._of: dict[str, Counts] = {}

    def of(self, namespace: str) -> Counts:
        counts = self._of.get(namespace)
        if counts is None:
            name = namespace if len(self._of) < MOST_NAMESPACES else OTHER
            counts = self._of.setdefault(name, Counts())
        return counts

    def total(self) -> Counts:
        total = Counts()
        for counts in self._of.values():
            for one in fields(Counts):
                setattr(total, one.name, getattr(total, one.name) + getattr(counts, one.name))
        return total

    def counters(self) -> dict[str, float]:
        """Return {series: value}, growing only."""
        series: dict[str, float] = {}
        for namespace, counts in self._of.items():
            name = f'cache.namespace="{namespace}"'
            series |= {
                f'cache.hits{{{name},cache.tier="local"}}': counts.local_hits,
                f'cache.hits{{{name},cache.tier="redis"}}': counts.redis_hits,
                f'cache.hits{{{name},cache.tier="flight"}}': counts.joined,
                f"cache.misses{{{name}}}": counts.misses,
                f"cache.early_refreshes{{{name}}}": counts.early_refreshes,
                f"cache.skipped{{{name}}}": counts.skipped,
                f"cache.unreadable{{{name}}}": counts.unreadable,
                f"cache.unstorable{{{name}}}": counts.unstorable,
                f"cache.invalidated_meanwhile{{{name}}}": counts.invalidated_meanwhile,
                f"cache.redis.calls{{{name}}}": counts.redis_calls,
                f"cache.redis.time{{{name}}}": counts.redis_s,
            }
        return series

    def gauges(self) -> dict[str, float]:
        """Return {series: value} that goes up and down."""
        return {
            f'cache.hit_ratio{{cache.namespace="{namespace}"}}': counts.hit_ratio
            for namespace, counts in self._of.items()
            if counts.hit_ratio is not None
        }
