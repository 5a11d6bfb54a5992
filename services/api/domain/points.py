"""From a subject's history to the points of one metric."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from atalaia.events.series import parse
from atalaia.stats.histogram import Dense, middle_of
from services.api.domain.history import Interval, Kind, SubjectHistory

Point = tuple[float | int | None, ...]
Buckets = tuple[float, int, int, list[int]]
Labels = Sequence[tuple[str, str]]
BUCKET_SCALE = 2  # four buckets an octave: as fine as a heat map can show
BUCKET_BASE = 2.0 ** (2.0**-BUCKET_SCALE)


def kind_of(history: SubjectHistory, metric: str) -> Kind | None:
    """Return what a metric is in this history, None where it is not there."""
    kinds: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("gauge", history.gauges),
        ("counter", history.counters),
        ("histogram", history.histograms),
    )
    for kind, columns in kinds:
        if any(_is_of(series, metric) for series in columns):
            return kind
    return None


def series_of(
    history: SubjectHistory,
    metric: str,
    kind: Kind,
    *,
    since_s: float,
    limit: int,
    raw: bool,
    labels: Labels = (),
) -> Iterator[tuple[dict[str, str], list[Point]]]:
    """Yield (labels, points) of each series of a metric that has these labels, points oldest first.

    Gauge: (epoch_s, value). Counter: the same as a rate a second, or the readings
    with `raw`. Histogram: (epoch_s, count, sum, p50, p95, p99).
    """
    match kind:
        case "gauge":
            for series, own in _chosen(history.gauges, metric, labels):
                yield own, _readings(history, history.gauges[series], since_s, limit)
        case "counter":
            points = _readings if raw else _rates
            for series, own in _chosen(history.counters, metric, labels):
                yield own, points(history, history.counters[series], since_s, limit)
        case "histogram":
            for series, own in _chosen(history.histograms, metric, labels):
                intervals = history.intervals(series, since_s, limit)
                yield own, [one.spread or _spread(one) for one in intervals]


def moments_of(
    history: SubjectHistory, metric: str, *, since_s: float, limit: int, labels: Labels = ()
) -> list[tuple[float, list[Dense]]]:
    """Return (epoch_s, events of each matching series) of a histogram's newest moments, oldest first."""
    moments: dict[float, list[Dense]] = {}
    for series, _ in _chosen(history.histograms, metric, labels):
        for one in history.intervals(series, since_s, limit):
            moments.setdefault(one.at_s, []).append(one.delta)
    return sorted(moments.items(), key=lambda moment: moment[0])[-limit:]


def bucketed(at_s: float, deltas: Iterable[Dense]) -> Buckets:
    """Return the sum as (epoch_s, zero_count, offset, counts), in buckets of `BUCKET_SCALE`."""
    zero_count = 0
    counts: dict[int, int] = {}
    for delta in deltas:
        zero_count += delta.zero_count
        coarser = delta.scale - BUCKET_SCALE
        for index, count in enumerate(delta.counts, delta.offset):
            if count:
                counts[index >> coarser] = counts.get(index >> coarser, 0) + count
    if not counts:
        return at_s, zero_count, 0, []
    offset = min(counts)
    return at_s, zero_count, offset, [counts.get(index, 0) for index in range(offset, max(counts) + 1)]


def _chosen(columns: Iterable[str], metric: str, labels: Labels) -> Iterator[tuple[str, dict[str, str]]]:
    for series in sorted(columns):
        if _is_of(series, metric):
            own = _labels(series)
            if all(own.get(key) == value for key, value in labels):
                yield series, own


def _is_of(series: str, metric: str) -> bool:
    return series == metric or (series.startswith(metric) and series[len(metric)] == "{")


def _labels(series: str) -> dict[str, str]:
    return dict(parse(series)[1])


def _readings(history: SubjectHistory, column: array[float], since_s: float, limit: int) -> list[Point]:
    rows = history.rows(since_s, limit)
    values = column[rows.start : rows.stop]  # fewer than rows where the series has gone
    points = zip(history.at_s[rows.start : rows.stop], values, strict=False)
    if math.isnan(sum(values)):  # a gap makes the sum one; nearly always there is none
        return [(at_s, value) for at_s, value in points if not math.isnan(value)]
    return list(points)


def _rates(history: SubjectHistory, column: array[float], since_s: float, limit: int) -> list[Point]:
    """A counter that starts anew (a later `start`, or a smaller reading) counts from zero."""
    rows = history.rows(since_s, limit)
    first = _last_known(column, rows.start)
    readings = zip(
        history.at_s[first : rows.stop], history.start_s[first:], column[first : rows.stop], strict=False
    )
    known = [reading for reading in readings if not math.isnan(reading[2])]
    points: list[Point] = []
    for (before_s, start_before_s, before), (at_s, start_s, value) in pairwise(known):
        anew = value < before or start_s > start_before_s  # false where a start is unknown
        points.append((at_s, (value if anew else value - before) / (at_s - before_s)))
    return points


def _last_known(column: array[float], row: int) -> int:
    """Return the last row before `row` that has a reading, or `row` where none has."""
    earlier = (one for one in range(min(row, len(column)) - 1, -1, -1) if not math.isnan(column[one]))
    return next(earlier, row)


def _spread(interval: Interval) -> Point:
    delta = interval.delta
    seen = list(accumulate(delta.counts, initial=delta.zero_count))
    quantiles = (_quantile(delta, seen, q) for q in (0.5, 0.95, 0.99))
    interval.spread = (interval.at_s, delta.count, delta.sum, *quantiles)
    return interval.spread


def _quantile(delta: Dense, seen: list[int], q: float) -> float | None:
    """Return what `Histogram.quantile` does, from the form that travels; `seen` counts up to each bucket."""
    rank = max(1, math.ceil(q * delta.count))
    position = bisect_left(seen, rank)
    if position == 0 or not delta.count:
        return 0.0 if delta.count else None
    middle = middle_of(delta.offset + position - 1, delta.scale)
    return middle if delta.min is None or delta.max is None else max(delta.min, min(delta.max, middle))
