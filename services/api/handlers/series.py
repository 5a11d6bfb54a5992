"""The points of a metric's series, of all the sources that have it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atalaia import log as _log
from atalaia.clock import Clock
from atalaia.errors import Invalid, NotFound, Transient
from atalaia.events.series import parse
from services.api.domain.history import Kind, SubjectHistory
from services.api.domain.newest import Newest, Subject
from services.api.domain.points import (
    BUCKET_BASE,
    Buckets,
    Labels,
    Point,
    bucketed,
    kind_of,
    moments_of,
    series_of,
)
from services.api.domain.question import Sources
from services.api.domain.ranges import (
    Line,
    Range,
    SeriesPoints,
    further,
    narrowed,
    points_of,
    query_of,
    range_of,
    replaced,
    shares_its_name,
)
from services.api.domain.units import unit_of
from services.api.ports import Histories, LongRanges

_log_ = _log.get("history")

MOST_POINTS = 100_000
SEARCHED_SUBJECTS = 20
MOMENTS_AT_ONCE = 50  # added up before others get a turn
RANGE_WITHIN_S = 5.0  # then the stream's answer will do
FINER_AT_MOST = 2  # from any time at all to what there is in a few months
PointsAs = Literal["rate", "raw", "buckets"]
Origin = Literal["stream", "prometheus"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which points of a metric: those measured at `since_s` or later, the newest `limit` of each series."""

    metric: str
    since_s: float = float("-inf")
    limit: int = 1000
    points_as: PointsAs = "rate"
    labels: Labels = ()


def holding(newest: Newest, sources: Sources, metric: str) -> list[Subject]:
    """Return the subjects that have a metric in their newest message, by kind, then source."""
    return [subject for subject in candidates(newest, sources) if has(subject, metric)]


def candidates(newest: Newest, sources: Sources) -> list[Subject]:
    found = newest.subjects(source=sources.source, kind=sources.kind)
    return [one for one in found if sources.group in (None, one.group)]


async def points_in(
    history: SubjectHistory, kind: Kind, wanted: Wanted
) -> list[tuple[dict[str, str], Sequence[Point | Buckets]]]:
    """Return (labels, points) of each series; as buckets all series in one.

    Raises:
        Invalid: buckets are asked of what is no histogram.
    """
    if wanted.points_as != "buckets":
        return list(
            series_of(
                history,
                wanted.metric,
                kind,
                since_s=wanted.since_s,
                limit=wanted.limit,
                raw=wanted.points_as == "raw",
                labels=wanted.labels,
            )
        )
    if kind != "histogram":
        raise Invalid(f"{wanted.metric} is a {kind}: only a histogram has buckets", field="as")
    moments = moments_of(
        history, wanted.metric, since_s=wanted.since_s, limit=wanted.limit, labels=wanted.labels
    )
    points: list[Buckets] = []
    for first in range(0, len(moments), MOMENTS_AT_ONCE):
        points += [bucketed(at_s, deltas) for at_s, deltas in moments[first : first + MOMENTS_AT_ONCE]]
        await asyncio.sleep(0)
    return [({}, points)] if points else []


def answer(
    metric: str, kind: Kind, found: Sequence[SeriesPoints | dict[str, Any]], points_as: PointsAs
) -> dict[str, Any]:
    """Return what is said of a metric, by history and stream alike."""
    base = {"base": BUCKET_BASE} if points_as == "buckets" else {}
    return {"metric": metric, "unit": unit_of(metric), "type": kind, **base, "series": found}


@dataclass(slots=True)
class _Held:
    """What the stream holds of a metric; all of it since `complete_since_s`."""

    kind: Kind
    series: list[SeriesPoints]
    complete_since_s: float
    shares_its_name: bool


class SeriesHistory:
    """From the stream; from Prometheus what that has further back."""

    def __init__(
        self, newest: Newest, histories: Histories, clock: Clock, ranges: LongRanges | None = None
    ) -> None:
        self._newest = newest
        self._histories = histories
        self._clock = clock
        self._ranges = ranges

    async def of(self, sources: Sources, wanted: Wanted) -> tuple[dict[str, Any], Origin]:
        """Return a metric's history, and where it is from.

        Raises:
            NotFound: no such source, or no such metric, was ever seen.
            Invalid: it is too much, or asked for in a form that it has not.
            Transient: the broker is away.
        """
        known = candidates(self._newest, sources)
        if not known and (sources.source, sources.group) != (None, None):
            field, name = ("group", sources.group) if sources.source is None else ("source", sources.source)
            raise NotFound(f"no {field} {name!r} was ever seen", field=field)
        # if none has it now, a few that may have had it
        subjects = holding(self._newest, sources, wanted.metric) or known[:SEARCHED_SUBJECTS]
        held = await self._collect(subjects, wanted)
        longer = await self._longer(held, sources, wanted)
        found = replaced(held.series, longer)
        _check_size(sum(len(one["points"]) for one in found))
        origin: Origin = "prometheus" if longer else "stream"
        return answer(wanted.metric, held.kind, found, wanted.points_as), origin

    async def _collect(self, subjects: Iterable[Subject], wanted: Wanted) -> _Held:
        found: list[SeriesPoints] = []
        kind: Kind | None = None
        points = 0
        complete_since_s = -math.inf
        shared = False
        for subject in subjects:
            history = await self._histories.of(subject.name)
            here = kind_of(history, wanted.metric)
            kind = kind or here
            if here is None or here != kind:
                continue
            complete_since_s = max(complete_since_s, history.oldest_s)
            shared = shared or shares_its_name(wanted.metric, here, history.metrics(here))
            for labels, some in await points_in(history, here, wanted):
                points += len(some)
                _check_size(points)
                found.append(
                    SeriesPoints(source=subject.source, kind=subject.kind, labels=labels, points=some)
                )
        if kind is None:
            raise NotFound(f"no metric {wanted.metric!r} was ever seen", field="metric_name")
        return _Held(kind, found, complete_since_s, shared)

    async def _longer(self, held: _Held, sources: Sources, wanted: Wanted) -> list[SeriesPoints]:
        """Return the series that Prometheus has further back; none where it has no answer."""
        ranges = self._ranges
        if ranges is None or wanted.points_as == "buckets" or held.shares_its_name:
            return []
        if not -math.inf < wanted.since_s < held.complete_since_s:
            return []
        asked = range_of(wanted.since_s, self._clock.now().timestamp(), wanted.limit)
        try:
            async with asyncio.timeout(RANGE_WITHIN_S):
                lines, asked = await self._asked(ranges, held.kind, sources, wanted, asked)
        except (Transient, Invalid, TimeoutError) as error:
            _log_.warning("range_not_from_prometheus", metric=wanted.metric, reason=str(error))
            return []
        found = points_of(lines, held.kind)
        _check_size(sum(len(points) for _, points in found))
        return further(held.series, found, wanted.labels, step_s=asked.step_s)

    async def _asked(
        self, ranges: LongRanges, kind: Kind, sources: Sources, wanted: Wanted, asked: Range
    ) -> tuple[list[Line], Range]:
        """Return what there is, and in which range: a finer one where less comes than was asked for."""

        async def lines_in(one: Range) -> list[Line]:
            raw = wanted.points_as == "raw"
            query = query_of(wanted.metric, kind, sources, wanted.labels, step_s=one.step_s, raw=raw)
            return await ranges.lines(query, one)

        lines = await lines_in(asked)
        for _ in range(FINER_AT_MOST):
            first_s = min((line.values[0][0] for line in lines if line.values), default=asked.start_s)
            finer = narrowed(asked, first_s, wanted.limit)
            if finer is None:
                break
            lines, asked = await lines_in(finer), finer
        return lines, asked


def _check_size(points: int) -> None:
    if points > MOST_POINTS:
        detail = f"over {MOST_POINTS} points; ask for one `source`, a later `since` or a `limit`"
        raise Invalid(detail, field="source")


def has(subject: Subject, metric: str) -> bool:
    """Say whether a metric is in a subject's newest message."""
    if metric.encode() not in subject.body and b"\\u" not in subject.body:
        return False  # without reading it: there may be thousands
    batch = subject.batch()
    names: tuple[Iterable[str], ...] = (batch.gauges, batch.counters, batch.histograms)
    return any(parse(series)[0] == metric for columns in names for series in columns)
