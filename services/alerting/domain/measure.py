"""A function over a window, fed by the messages of one source or of a whole group."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from atalaia.events.metrics import MetricsBatch
from atalaia.stats import Histogram
from services.alerting.domain.lifecycle import Track
from services.alerting.domain.rules import Rule
from services.alerting.domain.windows import Seen, Window


@dataclass(eq=False)
class Measure:
    """`members`: which series of which (kind, source) count. One window for all of them."""

    rule: Rule
    track: Track
    members: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    newest_at: datetime | None = None

    def __post_init__(self) -> None:
        self._window = Window(self.rule)
        self._readings: dict[tuple[str, str, str], tuple[datetime | None, float]] = {}

    def add(self, batch: MetricsBatch) -> bool:
        """Take in what the batch has for this rule; return whether it had anything."""
        seen = Seen(batch.at.timestamp())
        any_seen = False
        for series in self.members.get((batch.kind, batch.source), ()):
            any_seen |= self._one(seen, batch, series)
        self.newest_at = max(self.newest_at or batch.at, batch.at)
        self._window.add(seen)
        return any_seen

    def result(self) -> float | None:
        return self._window.result()

    def _one(self, seen: Seen, batch: MetricsBatch, series: str) -> bool:
        if series in batch.histograms:
            self._events(seen, series, batch.histograms[series].histogram())
        elif series in batch.counters:
            self._increase(seen, batch, series)
        elif series in batch.gauges:
            seen.values.append(batch.gauges[series])
        else:
            return False
        return True

    def _events(self, seen: Seen, series: str, histogram: Histogram) -> None:
        seen.total += histogram.count
        if self.rule.of and self.rule.counts(series):
            seen.counted += histogram.count
        if seen.histogram is None:
            seen.histogram = Histogram(scale=histogram.scale)
        seen.histogram.merge(histogram)

    def _increase(self, seen: Seen, batch: MetricsBatch, series: str) -> None:
        value = batch.counters[series]
        key = (batch.kind, batch.source, series)
        before = self._readings.get(key)
        self._readings[key] = (batch.start, value)
        if self.rule.function not in ("rate", "increase", "share"):
            seen.values.append(value)
            return
        if before is None:
            return
        start, last = before
        reset = value < last or (start is not None and batch.start is not None and batch.start > start)
        grown = value if reset else value - last
        seen.increase = (seen.increase or 0.0) + grown
        seen.total += grown
        if self.rule.of and self.rule.counts(series):
            seen.counted += grown
