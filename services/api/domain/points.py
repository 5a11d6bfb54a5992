"""From a subject's history to the points of one metric."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from atalaia.events.metrics import HistogramDelta
from atalaia.events.series import parse
from services.api.domain.history import SubjectHistory

Kind = Literal["gauge", "counter", "histogram"]
Point = tuple[float | int | None, ...]


def kind_of(history: SubjectHistory, metric: str) -> Kind | None:
    """Return what a metric is in this history, None where it is not there."""
    kinds: tuple[tuple[Kind, dict[str, object]], ...] = (
        ("gauge", dict(history.gauges)),
        ("counter", dict(history.counters)),
        ("histogram", dict(history.histograms)),
    )
    for kind, columns in kinds:
        if any(_is_of(series, metric) for series in columns):
            return kind
    return None


def series_of(
    history: SubjectHistory, metric: str, kind: Kind, *, since_s: float, limit: int, raw: bool
) -> Iterator[tuple[dict[str, str], list[Point]]]:
    """Yield (labels, points) of each series of a metric, points oldest first.

    Gauge: (epoch_s, value). Counter: the same as a rate a second, or the readings
    with `raw`. Histogram: (epoch_s, count, sum, p50, p95, p99).
    """
    match kind:
        case "gauge":
            for series, column in sorted(history.gauges.items()):
                if _is_of(series, metric):
                    yield _labels(series), _readings(history, column, since_s, limit)
        case "counter":
            for series, column in sorted(history.counters.items()):
                if _is_of(series, metric):
                    points = _readings if raw else _rates
                    yield _labels(series), points(history, column, since_s, limit)
        case "histogram":
            for series in sorted(history.histograms):
                if _is_of(series, metric):
                    deltas = history.deltas(series, since_s, limit)
                    yield _labels(series), [_spread(at_s, delta) for at_s, delta in deltas]


def _is_of(series: str, metric: str) -> bool:
    return series == metric or (series.startswith(metric) and series[len(metric)] == "{")


def _labels(series: str) -> dict[str, str]:
    return dict(parse(series)[1])


def _value(column: object, row: int) -> float:
    values: list[float] = column  # type: ignore[assignment]
    return values[row] if row < len(values) else math.nan


def _readings(history: SubjectHistory, column: object, since_s: float, limit: int) -> list[Point]:
    rows = history.rows(since_s, limit)
    return [(history.at_s[row], value) for row in rows if not math.isnan(value := _value(column, row))]


def _rates(history: SubjectHistory, column: object, since_s: float, limit: int) -> list[Point]:
    """A counter that starts anew (a later `start`, or a smaller reading) counts from zero."""
    points: list[Point] = []
    rows = history.rows(since_s, limit)
    before = rows.start - 1
    while before >= 0 and math.isnan(_value(column, before)):
        before -= 1
    for row in rows:
        value = _value(column, row)
        if math.isnan(value):
            continue
        if before >= 0:
            seconds = history.at_s[row] - history.at_s[before]
            increase = value - _value(column, before)
            anew = history.start_s[row] > history.start_s[before]  # false where one is unknown
            points.append((history.at_s[row], (value if anew or increase < 0 else increase) / seconds))
        before = row
    return points


def _spread(at_s: float, delta: HistogramDelta) -> Point:
    histogram = delta.histogram()
    quantiles = (histogram.quantile(q) for q in (0.5, 0.95, 0.99))
    return (at_s, delta.count, delta.sum, *quantiles)
