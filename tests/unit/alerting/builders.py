"""A judge, a source and a picture of time: what the alerting tests are written in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from atalaia.events.alerts import Severity
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.stats import Histogram
from services.alerting.domain.alert import Alert, Change, State
from services.alerting.domain.judge import Judge
from services.alerting.domain.rules import Rule, Rules

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CPU = "system.cpu.utilization"
W, E, C = Severity.WARNING, Severity.ERROR, Severity.CRITICAL
HIGH_CPU = Rule("high-cpu", CPU, ((W, 0.80), (E, 0.90), (C, 0.95)), for_s=60.0)
PARTITION = 7


def at(after_s: float) -> datetime:
    return T0 + timedelta(seconds=after_s)


def batch(
    after_s: float,
    *,
    source: str = "web-1",
    kind: str = "host",
    group: str = "",
    interval_s: float = 10.0,
    final: bool = False,
    gauges: dict[str, float] | None = None,
    counters: dict[str, float] | None = None,
    histograms: dict[str, HistogramDelta] | None = None,
) -> MetricsBatch:
    return MetricsBatch(
        source=source,
        kind=kind,
        group=group or source,
        at=at(after_s),
        interval_s=interval_s,
        final=final,
        gauges=gauges or {},
        counters=counters or {},
        histograms=histograms or {},
    )


def cpu(after_s: float, value: float, *, interval_s: float = 10.0, source: str = "web-1") -> MetricsBatch:
    return batch(after_s, gauges={CPU: value}, interval_s=interval_s, source=source)


def delta(*values: float) -> HistogramDelta:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return HistogramDelta.of(histogram)


def ids() -> Iterable[int]:
    return count(1)


class Court:
    """A judge with its store: what was committed is what a restart finds."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = Rules(rules or (HIGH_CPU,))
        self._ids = count(1)
        self.judge = self._judge()
        self.stored: dict[str, Alert] = {}
        self.heard: list[MetricsBatch] = []
        self.changes: list[Change] = []

    def _judge(self) -> Judge:
        return Judge(self.rules, lambda at: f"{next(self._ids):04}")

    def hear(self, *batches: MetricsBatch, stored_after_s: float | None = None) -> list[str]:
        """Judge messages as the stream brings them; return what was announced."""
        said = []
        for one in batches:
            stored_at = one.at if stored_after_s is None else at(stored_after_s)
            self.heard.append(one)
            said += self.commit(self.judge.observe(one, stored_at, PARTITION))
        return said

    def listen(self, seconds: float, *, now_s: float = 0.0) -> list[str]:
        return self.commit(self.judge.tick(timedelta(seconds=seconds), at(now_s)))

    def commit(self, changes: Iterable[Change]) -> list[str]:
        listed = list(changes)
        for change in listed:
            if change.withdrawn:
                self.stored.pop(change.alert.alert_id, None)
            else:
                self.stored[change.alert.alert_id] = change.alert
        self.changes += listed
        return [spoken(change) for change in listed if change.transition is not None]

    def restart(self) -> None:
        """Start anew from what is stored, as the service does."""
        self.judge = self._judge()
        kept = (one for one in self.stored.values() if not one.over)
        fired = [(one.key, one.fired_at) for one in self.stored.values() if one.fired_at is not None]
        self.judge.restore(kept, sorted(fired, key=lambda one: one[1]))
        newest: dict[tuple[str, str], MetricsBatch] = {}
        for one in self.heard:
            key = (one.kind, one.source)
            newest[key] = max(newest.get(key, one), one, key=lambda known: known.at)
        for one in newest.values():
            self.judge.seed(one, one.at, PARTITION)
        for one in self.heard:
            self.judge.replay(one, one.at, PARTITION)
        self.commit(self.judge.reload(self.rules, at(0)))

    def states(self) -> list[State]:
        return [alert.state for alert in self.stored.values()]


def spoken(change: Change) -> str:
    """Return a transition in a word or two, such as `fired warning` or `resolved recovery`."""
    event = change.event()
    extra = event.resolved_by or event.severity.value
    return f"{event.transition} {extra}"


def timeline(values: str, *, step_s: float = 60.0, rule: Rule = HIGH_CPU) -> list[str]:
    """Judge one value a step: `.` good, `w` `e` `c` beyond that threshold, `-` in the band, ` ` none.

    Return for each step what was announced, joined; `` where nothing was.
    """
    shown = {".": 0.1, "-": 0.75, "w": 0.85, "e": 0.92, "c": 0.99}
    court = Court(rule)
    said = []
    for position, sign in enumerate(values):
        heard = court.hear(cpu(position * step_s, shown[sign])) if sign != " " else []
        said.append(", ".join(heard))
    return said
