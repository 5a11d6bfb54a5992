"""A function over a window, fed by the messages of one source or of a whole group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from atalaia.events.metrics import Measurements
from atalaia.stats import Histogram
from services.alerting.domain.lifecycle import Track
from services.alerting.domain.rules import OVER_COUNTERS, QUANTILES, Rule
from services.alerting.domain.windows import Events, Values

_OVER_VALUES: dict[str, Callable[[Sequence[float]], float]] = {
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "sum": sum,
    "count": len,
    "last": lambda values: values[-1],
}


@dataclass(eq=False)
class Measure:
    """`members`: which series of which (kind, source) count. One window for all of them."""

    rule: Rule
    track: Track
    members: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    newest_at: datetime | None = None

    def __post_init__(self) -> None:
        self._values = Values(self.rule.window_s)
        self._events = Events(self.rule.window_s)
        self._readings: dict[tuple[str, str, str], tuple[datetime | None, float]] = {}

    def add(self, batch: Measurements) -> bool:
        """Take in what the batch has for this rule; return whether it had anything.

        A message without events still moves the time.
        """
        at_s = batch.at.timestamp()
        self.newest_at = max(self.newest_at or batch.at, batch.at)
        self._values.advance(at_s)
        self._events.advance(at_s)
        mine = self.members.get((batch.kind, batch.source), ())
        histograms = [series for series in mine if series in batch.histograms]
        if histograms:
            self._events.add(at_s, *self._happened(batch, histograms))
        readings = [self._reading(at_s, batch, series) for series in mine if series not in batch.histograms]
        return bool(histograms) or any(readings)

    def forget_source(self, kind: str, source: str) -> None:
        """Take out a source that is gone for good."""
        self.members.pop((kind, source), None)
        self._readings = {key: known for key, known in self._readings.items() if key[:2] != (kind, source)}

    def result(self) -> float | None:
        """Return what the rule's function makes of the window; None where there is nothing to judge."""
        function = self.rule.function
        if function in QUANTILES:
            return self._events.quantile(QUANTILES[function])
        if function == "share":
            return self._events.share()
        values = self._values.inside()
        if function in OVER_COUNTERS:
            per = self.rule.window_s if function == "rate" else 1.0
            return sum(values) / per if values else None
        if not values:
            return (self._events.total() or None) if function == "count" else None
        return float(_OVER_VALUES[function](values))

    def _happened(self, batch: Measurements, names: Iterable[str]) -> tuple[int, int, Histogram | None]:
        """Return how many events there were, how many count, and, where it matters, how long they took."""
        merged: Histogram | None = None
        counted = 0
        for series in names:
            delta = Histogram.from_dense(batch.histograms[series])
            counted += delta.count if self.rule.of and self.rule.counts(series) else 0
            if merged is None:
                merged = delta
            else:
                merged.merge(delta)
        total = merged.count if merged is not None else 0
        return total, counted, merged if self.rule.function in QUANTILES else None

    def _reading(self, at_s: float, batch: Measurements, series: str) -> bool:
        if series in batch.gauges:
            self._values.add(at_s, batch.gauges[series])
        elif series in batch.counters:
            self._counter(at_s, batch, series)
        else:
            return False
        return True

    def _counter(self, at_s: float, batch: Measurements, series: str) -> None:
        if self.rule.function not in (*OVER_COUNTERS, "share"):
            self._values.add(at_s, batch.counters[series])
            return
        grown = self._increase(batch, series)
        if grown is None:
            return
        if self.rule.function == "share":
            self._events.add(at_s, grown, grown if self.rule.counts(series) else 0.0)
        else:
            self._values.add(at_s, grown)

    def _increase(self, batch: Measurements, series: str) -> float | None:
        """Return how much a counter grew since the reading before; a reset counts from zero."""
        value = batch.counters[series]
        key = (batch.kind, batch.source, series)
        before = self._readings.get(key)
        self._readings[key] = (batch.start, value)
        if before is None:
            return None
        start, last = before
        reset = value < last or (start is not None and batch.start is not None and batch.start > start)
        return value if reset else value - last
