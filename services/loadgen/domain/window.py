"""What happened in one second of a run, and how such seconds add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from services.loadgen.domain.histogram import NOTHING, Delta, merged

COUNTS = (
    "offered",
    "sent",
    "ok",
    "http_errors",
    "connection_errors",
    "timeouts",
    "shed",
    "waited",
    "bytes_received",
    "own_faults",
)
# response: from the intended time; service: from the write; latency: from the write to the first byte;
# failures: response times of answers that were errors; lag: how late sends left; loop: how late the loop was
HISTOGRAMS = ("response", "service", "latency", "connect", "failures", "lag", "loop")


ADD_UP = ("in_flight", "waiting", "users", "connections", "busy_s")
WORST = ("cpu_share", "cpu_wait_share", "rss_bytes", "gc_pause_s", "retransmits")
GAUGES = (*ADD_UP, *WORST)


@dataclass(slots=True)
class Window:
    """One worker's second, or the sum of several workers'. Gauges are those at its end.

    `busy_s`: requests in flight or waiting, by looking, times how long: request-seconds.
    """

    index: int
    from_s: float
    to_s: float
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Delta] = field(default_factory=dict)
    in_flight: int = 0
    waiting: int = 0
    users: int = 0
    busy_s: float = 0.0
    cpu_share: float = 0.0
    cpu_wait_share: float = 0.0
    rss_bytes: int = 0
    connections: int = 0
    gc_pause_s: float = 0.0
    retransmits: int = 0

    def histogram(self, name: str) -> Delta:
        return self.histograms.get(name, NOTHING)

    def to_json(self, delta_to: Callable[[Delta], Any] = Delta.to_json) -> dict[str, Any]:
        return {
            "index": self.index,
            "from_s": self.from_s,
            "to_s": self.to_s,
            **{name: self.counts[name] for name in COUNTS},
            "errors": dict(self.errors),
            "statuses": dict(self.statuses),
            "checks_passed": dict(self.passed),
            "checks_failed": dict(self.failed),
            "histograms": {name: delta_to(delta) for name, delta in self.histograms.items() if delta.count},
            **{name: getattr(self, name) for name in GAUGES},
        }

    @classmethod
    def from_json(cls, body: dict[str, Any], delta_of: Callable[[Any], Delta] = Delta.from_json) -> Self:
        return cls(
            index=body["index"],
            from_s=body["from_s"],
            to_s=body["to_s"],
            counts=Counter({name: body[name] for name in COUNTS}),
            errors=Counter(body["errors"]),
            statuses=Counter(body["statuses"]),
            passed=Counter(body["checks_passed"]),
            failed=Counter(body["checks_failed"]),
            histograms={name: delta_of(delta) for name, delta in body["histograms"].items()},
            **{name: body[name] for name in GAUGES},
        )


def together(windows: Sequence[Window]) -> Window:
    """Return the workers' windows of one index as one: counts add up, the busiest worker's health stands."""
    first = windows[0]
    total = Window(first.index, min(w.from_s for w in windows), max(w.to_s for w in windows))
    for window in windows:
        total.counts.update(window.counts)
        total.errors.update(window.errors)
        total.statuses.update(window.statuses)
        total.passed.update(window.passed)
        total.failed.update(window.failed)
    names = {name for window in windows for name in window.histograms}
    total.histograms = {name: merged([window.histogram(name) for window in windows]) for name in names}
    for name in ADD_UP:
        setattr(total, name, sum(getattr(window, name) for window in windows))
    for name in WORST:
        setattr(total, name, max(getattr(window, name) for window in windows))
    return total
