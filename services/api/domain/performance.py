"""Statistics per endpoint and per service, merged over instances and over a window of time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypedDict

from atalaia.events.series import parse
from atalaia.stats import Histogram
from services.api.domain.history import SubjectHistory

REQUEST_DURATION = "http.server.request.duration"
METHOD, ROUTE, STATUS = "http.request.method", "http.route", "http.response.status_code"
FINEST_SCALE = 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route template. Seconds; None where there were no requests. Percentiles: ± 2.2 %."""

    service: str
    method: str
    route: str
    requests: int
    rate: float
    error_rate: float | None
    avg_s: float | None
    min_s: float | None
    max_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class Service:
    """All endpoints of a service together; in the units of `Endpoint`."""

    service: str
    requests: int
    rate: float
    error_rate: float | None
    avg_s: float | None
    min_s: float | None
    max_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class Performance:
    """`covered_s`: seconds of the window that the data covers. Endpoints by service, route and method."""

    covered_s: float
    endpoints: list[Endpoint]
    services: list[Service]


class _Figures(TypedDict):
    requests: int
    rate: float
    error_rate: float | None
    avg_s: float | None
    min_s: float | None
    max_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(slots=True)
class _Sum:
    errors: int = 0
    durations: Histogram = field(default_factory=lambda: Histogram(scale=FINEST_SCALE))


def summarise(sources: Iterable[tuple[str, SubjectHistory]], *, now_s: float, window_s: float) -> Performance:
    """Merge what the window holds; `sources` are (service, history). 5xx make the error rate."""
    since_s = now_s - window_s
    covered_from_s = now_s
    sums: dict[tuple[str, str, str], _Sum] = {}
    for service, history in sources:
        rows = history.rows(since_s, len(history.at_s))
        if rows:
            covered_from_s = min(covered_from_s, history.at_s[rows.start] - history.interval_s[rows.start])
        for series in history.histograms:
            name, labels = parse(series)
            if name == REQUEST_DURATION:
                _add(sums, service, dict(labels), history, series, since_s)
    covered_s = max(0.0, min(window_s, now_s - covered_from_s))
    busy = [(key, total) for key, total in sorted(sums.items()) if total.durations.count]
    found = [
        Endpoint(service=service, method=method, route=route, **_figures(total, covered_s))
        for (service, route, method), total in busy
    ]
    return Performance(covered_s, found, _services(busy, covered_s))


def _services(busy: list[tuple[tuple[str, str, str], _Sum]], covered_s: float) -> list[Service]:
    totals: dict[str, _Sum] = {}
    for (service, _, _), some in busy:
        total = totals.setdefault(service, _Sum())
        total.errors += some.errors
        total.durations.merge(some.durations)
    return [Service(service=service, **_figures(total, covered_s)) for service, total in totals.items()]


def _add(
    sums: dict[tuple[str, str, str], _Sum],
    service: str,
    labels: dict[str, str],
    history: SubjectHistory,
    series: str,
    since_s: float,
) -> None:
    key = (service, labels.get(ROUTE, ""), labels.get(METHOD, ""))
    total = sums.setdefault(key, _Sum())
    failed = labels.get(STATUS, "").startswith("5")
    for interval in history.intervals(series, since_s, len(history.at_s)):
        total.durations.merge(Histogram.from_dense(interval.delta))
        total.errors += interval.delta.count if failed else 0


def _figures(total: _Sum, covered_s: float) -> _Figures:
    durations = total.durations
    count = durations.count
    return _Figures(
        requests=count,
        rate=count / covered_s if covered_s else 0.0,
        error_rate=total.errors / count if count else None,
        avg_s=durations.sum / count if count else None,
        min_s=_finite(durations.min),
        max_s=_finite(durations.max),
        p50_s=durations.quantile(0.5),
        p95_s=durations.quantile(0.95),
        p99_s=durations.quantile(0.99),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # a sender may leave extremes out
