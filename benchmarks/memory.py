"""What one series costs a judge in memory, by function and interval: `python -m benchmarks.memory`.

Each case has a process of its own, in which the judge alone reads messages, for longer than the window is.
What the process held before the first message is taken off.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import psutil

from atalaia.events.alerts import Severity
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.stats import Histogram
from benchmarks.figures import Figure, show
from benchmarks.workload import metric
from services.alerting.domain.judge import Judge
from services.alerting.domain.rules import Rule, Rules

SOURCES, SERIES, WINDOW_S = 100, 50, 300.0
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    function: str
    interval_s: float
    histograms: bool = False

    def __str__(self) -> str:
        window = "" if self.function == "last" else f" over {WINDOW_S:g} s"
        return f"{self.function}{window}, every {self.interval_s:g} s"


CASES = [
    Case("last", 1.0),
    Case("avg", 1.0),
    Case("avg", 10.0),
    Case("rate", 1.0),
    Case("p95", 10.0, histograms=True),
]


def bytes_per_series(case: Case) -> float:
    """Return by how many bytes a judge grows for each series of its sources."""
    window_s = 0.0 if case.function == "last" else WINDOW_S
    rules = Rules(
        Rule(f"r-{n}", metric(n), ((Severity.WARNING, 1e9),), function=case.function, window_s=window_s)
        for n in range(SERIES)
    )
    judge, dice = Judge(rules, lambda at: str(at)), random.Random(1)
    column = _column(case, dice)
    before = _resident()
    for turn in range(int(1.1 * WINDOW_S / case.interval_s)):
        at = BEGAN + timedelta(seconds=turn * case.interval_s)
        for number in range(SOURCES):
            judge.observe(column(f"bench-{number}", at, turn), at, number % 64)
    return (_resident() - before) / (SOURCES * SERIES)


def _column(case: Case, dice: random.Random) -> Callable[[str, datetime, int], MetricsBatch]:
    names = [metric(n) for n in range(SERIES)]

    def batch(source: str, at: datetime, turn: int) -> MetricsBatch:
        made = MetricsBatch(source=source, kind="bench", group=source, at=at, interval_s=case.interval_s)
        if case.histograms:
            return made.model_copy(update={"histograms": {name: _events(dice) for name in names}})
        values = {name: turn + dice.random() for name in names}
        return made.model_copy(update={"counters" if case.function == "rate" else "gauges": values})

    return batch


def _events(dice: random.Random) -> HistogramDelta:
    histogram = Histogram()
    for _ in range(100):
        histogram.record(dice.lognormvariate(-3.0, 0.5))
    return HistogramDelta.of(histogram)


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main() -> None:
    figures = []
    for case in CASES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            figures.append(Figure(str(case), process.submit(bytes_per_series, case).result(), "bytes"))
    show(f"memory of a series judged, {SOURCES} sources with {SERIES} series", figures)


if __name__ == "__main__":
    main()
