"""Ranges longer than the stream keeps: what Prometheus is asked, and what of its answer is taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from pydantic import BaseModel, ValidationError

from atalaia.errors import Invalid
from services.api.domain.history import Kind
from services.api.domain.openmetrics import escaped, family_name, label_names
from services.api.domain.points import Buckets, Labels, Point
from services.api.domain.question import Sources

STEP_AT_LEAST_S = 15  # as often as compose's Prometheus scrapes
RATE_AT_LEAST_S = 60  # four scrapes: one may be missed
# each gateway replica is a target of its own that tells the same
MERGED = "max without (instance, job)"
PART = "__part"
QUANTILES = ("0.5", "0.95", "0.99")
_OF_THE_TARGET = {"instance", "job"}  # a series' own are stored as `exported_…`
_TOLD_BY = {"source", "kind", "group"}


class SeriesPoints(TypedDict):
    """One series in an answer, points oldest first."""

    source: str
    kind: str
    labels: dict[str, str]
    points: Sequence[Point | Buckets]


@dataclass(frozen=True, slots=True)
class Range:
    """The moments start, start + step, … end."""

    start_s: float
    end_s: float
    step_s: int


@dataclass(frozen=True, slots=True)
class Line:
    """One series as Prometheus has it: its labels, and (epoch_s, value), oldest first."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class _Series(BaseModel):
    metric: dict[str, str]
    values: list[tuple[float, float]] = []


class _Matrix(BaseModel):
    resultType: Literal["matrix"]
    result: list[_Series]


class _Answer(BaseModel):
    status: Literal["success"]
    data: _Matrix


def range_of(since_s: float, now_s: float, limit: int) -> Range:
    """Return at most `limit` moments in equal steps, the last one now, none before `since_s`."""
    span_s = now_s - max(since_s, 0.0)
    step_s = max(STEP_AT_LEAST_S, math.ceil(span_s / limit))
    count = min(limit, int(span_s // step_s) + 1)
    return Range(now_s - (count - 1) * step_s, now_s, step_s)


def narrowed(asked: Range, first_s: float, limit: int) -> Range | None:
    """Return a finer range for an answer that begins only in the later half of what was asked, else None."""
    if asked.step_s == STEP_AT_LEAST_S or first_s < (asked.start_s + asked.end_s) / 2:
        return None
    return range_of(first_s - asked.step_s, asked.end_s, limit)


def query_of(
    metric: str, kind: Kind, sources: Sources, labels: Labels, *, step_s: int, raw: bool = False
) -> str:
    """Return the PromQL of a metric's points; a histogram's parts in one, told apart by the label `PART`."""
    family, _ = family_name(metric, kind)

    def of(suffix: str = "") -> str:
        return _selector(f"{family}{suffix}", sources, labels)

    def rate(suffix: str) -> str:
        # a scrape more than the step, so that no increase falls between two windows
        window_s = max(step_s + STEP_AT_LEAST_S, RATE_AT_LEAST_S)
        return f"{MERGED} (rate({of(suffix)}[{window_s}s]))"

    match kind:
        case "gauge":
            return f"{MERGED} ({of()})"
        case "counter":
            return f"{MERGED} ({of('_total')})" if raw else rate("_total")
        case "histogram":
            parts = {part: f"{rate(f'_{part}')} * {step_s}" for part in ("count", "sum")}
            parts |= {q: f"histogram_quantile({q}, {rate('_bucket')})" for q in QUANTILES}
            return " or ".join(
                f'label_replace({query}, "{PART}", "{part}", "", "")' for part, query in parts.items()
            )


def read_matrix(body: bytes) -> list[Line]:
    """Return what an answer of `query_range` holds.

    Raises:
        Invalid: it is none.
    """
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(f"no answer of query_range: {first['loc']}: {first['msg']}") from error
    return [Line(series.metric, series.values) for series in answer.data.result]


def points_of(lines: Iterable[Line], kind: Kind) -> list[tuple[dict[str, str], list[Point]]]:
    """Return (labels as Prometheus has them, points oldest first) of each series."""
    if kind != "histogram":
        return [
            (line.labels, [(at_s, value) for at_s, value in line.values if math.isfinite(value)])
            for line in lines
        ]
    parts: dict[frozenset[tuple[str, str]], dict[str, dict[float, float]]] = {}
    for line in lines:
        own = frozenset((key, value) for key, value in line.labels.items() if key != PART)
        parts.setdefault(own, {})[line.labels.get(PART, "")] = dict(line.values)
    return [(dict(own), _spreads(by_part)) for own, by_part in parts.items()]


def _spreads(by_part: dict[str, dict[float, float]]) -> list[Point]:
    counts, sums = by_part.get("count", {}), by_part.get("sum", {})
    return [
        (at_s, count, sums[at_s], *(_or_none(by_part.get(q, {}).get(at_s)) for q in QUANTILES))
        for at_s, count in sorted(counts.items())
        if math.isfinite(count) and math.isfinite(sums.get(at_s, math.nan))
    ]


def _or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Names:
    """The way back from Prometheus' labels to a series' own, learnt from the series that are there."""

    def __init__(self, known: Iterable[SeriesPoints]) -> None:
        self._series: dict[tuple[str, str, frozenset[tuple[str, str]]], list[dict[str, str]]] = {}
        self._keys: dict[str, set[str]] = {}
        for one in known:
            labels = one["labels"]
            stored = frozenset(_stored(labels.items()).items())
            self._series.setdefault((one["source"], one["kind"], stored), []).append(labels)
            for key in labels:
                self._keys.setdefault(next(iter(_stored([(key, "x")]))), set()).add(key)

    def labels_of(self, source: str, kind: str, stored: dict[str, str]) -> dict[str, str] | None:
        """Return a series' own labels; None where they cannot be told."""
        match self._series.get((source, kind, frozenset(stored.items()))):
            case [labels]:
                return labels
            case None:  # a series that is no longer there
                keys = {key: self._key(key) for key in stored}
                own = {name: stored[key] for key, name in keys.items() if name is not None}
                return dict(sorted(own.items())) if len(own) == len(stored) else None
            case _:
                return None

    def _key(self, stored: str) -> str | None:
        known = self._keys.get(stored) or (set() if "_" in stored else {stored})
        return next(iter(known)) if len(known) == 1 else None


def further(
    held: Sequence[SeriesPoints],
    found: Iterable[tuple[dict[str, str], list[Point]]],
    labels: Labels,
    *,
    step_s: int,
) -> list[SeriesPoints]:
    """Return the series that `found` has further back than `held`, by a step at least, as `held` has them."""
    names = Names(held)
    known = {_key_of(one): one for one in held}
    moments: dict[tuple[str, ...], dict[float, Point]] = {}
    series: dict[tuple[str, ...], SeriesPoints] = {}
    for translated, points in found:
        source, kind = translated.get("source", ""), translated.get("kind", "")
        stored = {key: value for key, value in translated.items() if key not in _TOLD_BY}
        own = names.labels_of(source, kind, stored)
        if own is None or not points or any(own.get(key) != value for key, value in labels):
            continue
        one = SeriesPoints(source=source, kind=kind, labels=own, points=points)
        # two of one key: its group was another for a while
        moments.setdefault(_key_of(one), {}).update((point[0] or 0.0, point) for point in points)
        series[_key_of(one)] = one
    for key, by_s in moments.items():
        series[key]["points"] = [by_s[at_s] for at_s in sorted(by_s)]
    return [one for key, one in series.items() if _reaches(one, known.get(key), step_s)]


def replaced(held: Sequence[SeriesPoints], longer: Sequence[SeriesPoints]) -> list[SeriesPoints]:
    """Return `held` with what is `longer` in its place, and behind it what is only there."""
    by_key = {_key_of(one): one for one in longer}
    first = [by_key.pop(_key_of(one), one) for one in held]
    return first + [by_key[key] for key in sorted(by_key)]


def shares_its_name(metric: str, kind: Kind, others: Iterable[str]) -> bool:
    """Say whether another metric is the same one to Prometheus."""
    family, _ = family_name(metric, kind)
    return any(family_name(other, kind)[0] == family for other in others if other != metric)


def _reaches(one: SeriesPoints, held: SeriesPoints | None, step_s: int) -> bool:
    if held is None or not held["points"]:
        return True
    return (one["points"][0][0] or 0) <= (held["points"][0][0] or 0) - step_s


def _key_of(one: SeriesPoints) -> tuple[str, ...]:
    return (one["kind"], one["source"], *(part for pair in sorted(one["labels"].items()) for part in pair))


def _stored(own: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return labels as Prometheus stores them: an empty one is none."""
    return {
        f"exported_{key}" if key in _OF_THE_TARGET else key: value
        for key, value in label_names(own).items()
        if value
    }


def _selector(name: str, sources: Sources, labels: Labels) -> str:
    asked = {"__name__": name, "source": sources.source, "kind": sources.kind, "group": sources.group}
    chosen = _stored(labels) | {key: value for key, value in asked.items() if value is not None}
    return "{" + ",".join(f'{key}="{escaped(value)}"' for key, value in chosen.items()) + "}"
