"""Rows and percentiles as text."""

from __future__ import annotations

import csv as writer
import dataclasses
import io
import math
from collections.abc import Iterator

from services.loadgen.domain.histogram import Histogram, lowest_of
from services.loadgen.domain.result import Outcome
from services.loadgen.domain.totals import Row

MS = 1e6
TICKS_PER_HALF = 5


def csv(outcome: Outcome) -> str:
    """Return one line a second, with a head of names."""
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(Row)]
    lines = writer.writer(text, lineterminator="\n")
    lines.writerow(names)
    for row in outcome.totals.rows:
        lines.writerow(["" if (value := getattr(row, name)) is None else value for name in names])
    return text.getvalue()


def hgrm(histogram: Histogram) -> str:
    """Return HdrHistogram's percentile distribution, in milliseconds, as its plotter reads it."""
    lines = ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
    for q in _ticks(histogram.count):
        value = histogram.quantile_ns(q)
        assert value is not None
        rank = math.ceil(q * histogram.count)
        tail = f"{1 / (1 - q):14.2f}" if q < 1 else "           inf"
        lines.append(f"{value / MS:12.3f} {q:2.12f} {rank:10d} {tail}")
    mean, deviation = (histogram.mean_ns() or 0.0) / MS, _deviation_ms(histogram)
    lines += [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]",
        f"#[Max     = {histogram.max_ns / MS:12.3f}, Total count    = {histogram.count:12d}]",
        "#[Buckets =           32, SubBuckets     =         2048]",
    ]
    return "\n".join(lines) + "\n"


def _ticks(count: int) -> Iterator[float]:
    """Yield percentiles, five for each halving of what is left, then all of it."""
    if not count:
        return
    half = 0
    while 0.5**half * count >= 1:
        for tick in range(TICKS_PER_HALF):
            yield 1 - 0.5**half * (1 - tick / (2 * TICKS_PER_HALF))
        half += 1
    yield 1.0


def _deviation_ms(histogram: Histogram) -> float:
    delta = histogram.delta()
    mean = histogram.mean_ns()
    if mean is None:
        return 0.0
    middles = [_middle(int(index)) for index in delta.indices]
    squares = sum(
        count * (middle - mean) ** 2 for middle, count in zip(middles, delta.counts.tolist(), strict=True)
    )
    return math.sqrt(squares / histogram.count) / MS


def _middle(index: int) -> float:
    return (lowest_of(index) + lowest_of(index + 1) - 1) / 2
