"""A whole run so far: sums, histograms, and one small row for each second."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from services.loadgen.domain.histogram import Delta, Histogram
from services.loadgen.domain.window import HISTOGRAMS, Window

NS = 1e9


@dataclass(frozen=True, slots=True)
class Row:
    """One second, for charts and tables. Times in seconds, None where nothing was recorded."""

    index: int
    from_s: float
    to_s: float
    offered: int
    sent: int
    ok: int
    http_errors: int
    connection_errors: int
    timeouts: int
    shed: int
    in_flight: int
    waiting: int
    users: int
    bytes_received: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    max_s: float | None
    service_p99_s: float | None
    lag_p99_s: float | None
    cpu_share: float
    cpu_wait_share: float
    rss_bytes: int
    warmup: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Totals:
    """Takes windows in order. `warmup_s`: windows that begin before are in the books, not in the times."""

    def __init__(self, warmup_s: float = 0.0) -> None:
        self.warmup_s = warmup_s
        self.counts: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.histograms = {name: Histogram() for name in HISTOGRAMS}
        self.rows: list[Row] = []
        self.judged_from_s = 0.0

    def add(self, window: Window) -> Row:
        warmup = window.from_s < self.warmup_s - 1e-6
        self.counts.update(window.counts)
        self.errors.update(window.errors)
        self.statuses.update(window.statuses)
        self.passed.update(window.passed)
        self.failed.update(window.failed)
        if warmup:
            self.judged_from_s = window.to_s
        else:
            self.judged.update(window.counts)
            for name, delta in window.histograms.items():
                self.histograms[name].add(delta)
        row = row_of(window, warmup=warmup)
        self.rows.append(row)
        return row

    @property
    def in_flight(self) -> int:
        return self.rows[-1].in_flight if self.rows else 0

    def balanced(self, in_flight: int) -> bool:
        """Whether every request that was taken up came to exactly one end, or is still out."""
        ends = ("ok", "http_errors", "connection_errors", "timeouts")
        return self.counts["sent"] == sum(self.counts[end] for end in ends) + in_flight


def row_of(window: Window, *, warmup: bool = False) -> Row:
    response = quantiles_s(window.histogram("response"), 0.5, 0.95, 0.99)
    (service,) = quantiles_s(window.histogram("service"), 0.99)
    (lag,) = quantiles_s(window.histogram("lag"), 0.99)
    counts = window.counts
    slowest = window.histogram("response")
    return Row(
        index=window.index,
        from_s=window.from_s,
        to_s=window.to_s,
        **{
            name: counts[name]
            for name in (
                "offered",
                "sent",
                "ok",
                "http_errors",
                "connection_errors",
                "timeouts",
                "shed",
                "bytes_received",
            )
        },
        in_flight=window.in_flight,
        waiting=window.waiting,
        users=window.users,
        p50_s=response[0],
        p95_s=response[1],
        p99_s=response[2],
        max_s=slowest.max_ns / NS if slowest.count else None,
        service_p99_s=service,
        lag_p99_s=lag,
        cpu_share=window.cpu_share,
        cpu_wait_share=window.cpu_wait_share,
        rss_bytes=window.rss_bytes,
        warmup=warmup,
    )


def quantiles_s(delta: Delta, *fractions: float) -> list[float | None]:
    """Return quantiles of a stretch in seconds; None of nothing."""
    if not delta.count:
        return [None] * len(fractions)
    histogram = Histogram()
    histogram.add(delta)
    found = [histogram.quantile_ns(q) for q in fractions]
    return [None if value is None else value / NS for value in found]
