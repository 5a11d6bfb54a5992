"""What the cache tells of itself, by namespace."""

from __future__ import annotations

from dataclasses import dataclass, field

from atalaia.events.metrics import HistogramDelta
from atalaia.events.series import spell
from atalaia.stats import Histogram

MOST_NAMESPACES = 50
OTHER = "_other"
SUMMED = ("local_hits", "redis_hits", "joined", "misses")
PLAIN = ("misses", "early_refreshes", "skipped", "unreadable", "unstorable", "invalidated_meanwhile")


@dataclass(slots=True)
class Counts:
    """Of one namespace, since the start. Every call is one hit (local, redis or joined) or one miss."""

    local_hits: int = 0
    redis_hits: int = 0
    joined: int = 0  # waited for a call of the same key in this process
    misses: int = 0
    early_refreshes: int = 0
    skipped: int = 0  # of the misses: not to be stored, for Redis was away, or somebody else's call hung
    unreadable: int = 0
    unstorable: int = 0
    invalidated_meanwhile: int = 0  # loaded, not stored
    redis: Histogram = field(default_factory=Histogram)  # seconds of each command since the last report

    @property
    def hits_by_tier(self) -> dict[str, int]:
        return {"local": self.local_hits, "redis": self.redis_hits, "flight": self.joined}

    @property
    def hits(self) -> int:
        return sum(self.hits_by_tier.values())

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
            for name in SUMMED:
                setattr(total, name, getattr(total, name) + getattr(counts, name))
        return total

    def counters(self) -> dict[str, float]:
        """Return {series: value}, growing only."""
        series: dict[str, float] = {}
        for namespace, counts in self._of.items():
            named = {"cache.namespace": namespace}
            for tier, hits in counts.hits_by_tier.items():
                series[spell("cache.hits", {**named, "cache.tier": tier})] = hits
            for name in PLAIN:
                series[spell(f"cache.{name}", named)] = getattr(counts, name)
        return series

    def gauges(self) -> dict[str, float]:
        """Return {series: value} that goes up and down."""
        return {
            spell("cache.hit_ratio", {"cache.namespace": namespace}): counts.hit_ratio
            for namespace, counts in self._of.items()
            if counts.hit_ratio is not None
        }

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return {series: what was recorded since the last call}."""
        recorded = {}
        for namespace, counts in self._of.items():
            recorded[spell("cache.redis.duration", {"cache.namespace": namespace})] = HistogramDelta.of(
                counts.redis
            )
            counts.redis = Histogram()
        return recorded
