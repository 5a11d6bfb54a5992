"""A whole run so far: sums, histograms, and one small row for each second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from services.loadgen.domain.histogram import Delta, Histogram
from services.loadgen.domain.intervals import Blocks
from services.loadgen.domain.little import Little
from services.loadgen.domain.steadiness import Steadiness, steadiness, warmup_windows
from services.loadgen.domain.window import HISTOGRAMS, Window

NS = 1e9
LONGEST_WARMUP_S = 300.0
WHOLE_S = 0.5  # the last window may be a stump
WITH_INTERVALS = ("response", "service")


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
    connections: int
    gc_pause_s: float
    retransmits: int
    warmup: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Sums:
    """What a stretch of a run adds up to."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.histograms = {name: Histogram() for name in HISTOGRAMS}

    def add(self, window: Window) -> None:
        self.counts.update(window.counts)
        for name, delta in window.histograms.items():
            self.histograms[name].add(delta)

    def add_all(self, other: Sums) -> None:
        self.counts.update(other.counts)
        for name, histogram in other.histograms.items():
            self.histograms[name].add(histogram.delta())


class Totals:
    """Takes windows in order. `warmup_s`: windows that begin before are in the books, not in the times.

    Where it is None, `settle` finds it at the end, within the first five minutes.
    """

    def __init__(self, warmup_s: float | None = 0.0) -> None:
        self.sought_warmup = self._finds_warmup = warmup_s is None
        self.warmup_s = warmup_s or 0.0
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.little = Little()
        self.rows: list[Row] = []
        self.judged_from_s = 0.0
        self._sums, self._late = Sums(), Sums()
        self._early: list[Window] = []
        self._blocks = {name: Blocks() for name in WITH_INTERVALS}
        self._blocks_from = 0

    @property
    def judged(self) -> Counter[str]:
        """Return the counts of what is judged: all but the warm-up."""
        return self._sums.counts

    @property
    def histograms(self) -> dict[str, Histogram]:
        return self._sums.histograms

    def blocks(self, name: str) -> Sequence[Delta]:
        """Return the stretch that is judged in pieces, for `response` and `service`."""
        return self._blocks[name].after(self._blocks_from)

    def add(self, window: Window) -> Row:
        warmup = window.from_s < self.warmup_s - 1e-6
        self.counts.update(window.counts)
        self.errors.update(window.errors)
        self.statuses.update(window.statuses)
        self.passed.update(window.passed)
        self.failed.update(window.failed)
        self.little.add(window)
        row = row_of(window, warmup=warmup)
        self.rows.append(row)
        if warmup:
            self.judged_from_s = window.to_s
            return row
        self._sums.add(window)
        for name, blocks in self._blocks.items():
            blocks.add(window.histogram(name))
        if self._finds_warmup:
            if window.from_s < LONGEST_WARMUP_S:
                self._early.append(window)
            else:
                self._late.add(window)
        return row

    def settle(self) -> None:
        """Find the warm-up, where that was asked for, and leave it out."""
        if not self._finds_warmup:
            return
        self._finds_warmup = False
        rows = _telling(self.rows)
        number = warmup_windows(
            [row.p50_s for row in rows if row.p50_s], [row.ok / (row.to_s - row.from_s) for row in rows]
        )
        if not number:
            return
        self.warmup_s = self.judged_from_s = min(rows[number - 1].to_s, self._early[-1].to_s)
        self.rows = [replace(row, warmup=row.to_s <= self.warmup_s + 1e-6) for row in self.rows]
        self._blocks_from = sum(row.warmup for row in self.rows)
        self._sums = Sums()
        for window in self._early:
            if window.to_s > self.warmup_s + 1e-6:
                self._sums.add(window)
        self._sums.add_all(self._late)

    def steadiness(self) -> Steadiness:
        """Judge what is left after the warm-up."""
        return steadiness([row.p50_s for row in _telling(self.rows) if row.p50_s and not row.warmup])

    @property
    def in_flight(self) -> int:
        return self.rows[-1].in_flight if self.rows else 0

    def balanced(self, in_flight: int) -> bool:
        """Whether every request that was taken up came to exactly one end, or is still out."""
        ends = ("ok", "http_errors", "connection_errors", "timeouts")
        return self.counts["sent"] == sum(self.counts[end] for end in ends) + in_flight


def _telling(rows: Sequence[Row]) -> list[Row]:
    """Return the whole seconds in which something was answered."""
    return [row for row in rows if row.p50_s and row.to_s - row.from_s > WHOLE_S]


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
        connections=window.connections,
        gc_pause_s=window.gc_pause_s,
        retransmits=window.retransmits,
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
