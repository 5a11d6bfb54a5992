"""The newest values as OpenMetrics text, names translated the way Prometheus translates OTLP."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from atalaia.events.metrics import Measurements
from atalaia.events.series import parse
from atalaia.stats import Histogram
from services.api.domain.units import unit_of

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_SUFFIX = {"s": "seconds", "By": "bytes"}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")
# two buckets an octave from 1 ms to 64 s: the same ones at each scrape
_SECONDS = [2.0 ** (k / 2) for k in range(-20, 13)]
_SCALE = 1
Type = Literal["gauge", "counter", "histogram"]


@dataclass(slots=True)
class Accumulated:
    """One histogram series since the gateway first heard of it: Prometheus wants sums, not deltas."""

    created: datetime
    histogram: Histogram = field(default_factory=lambda: Histogram(scale=20))


@dataclass(slots=True)
class _Family:
    type: Type
    unit: str
    lines: list[str] = field(default_factory=list)


def render(
    batches: Iterable[Measurements], accumulated: Iterable[tuple[Measurements, str, Accumulated]]
) -> str:
    """Return the exposition of gauges and counters of `batches`, and of (whose, series, sums) histograms."""
    families: dict[str, _Family] = {}
    for batch in batches:
        for series, value in batch.gauges.items():
            _add_value(families, batch, series, value, "gauge")
        for series, value in batch.counters.items():
            _add_value(families, batch, series, value, "counter")
    for batch, series, sums in accumulated:
        _add_histogram(families, batch, series, sums)
    lines: list[str] = []
    for name, family in sorted(families.items()):
        lines.append(f"# TYPE {name} {family.type}")
        if family.unit:
            lines.append(f"# UNIT {name} {family.unit}")
        lines += family.lines
    lines.append("# EOF")
    return "\n".join(lines) + "\n"


def family_name(metric: str, type: Type) -> tuple[str, str]:
    """Return (family, unit as a word) of a metric; a counter's samples have `_total` after it."""
    name = _name(metric)
    unit = _SUFFIX.get(unit_of(metric) or "", "")
    if unit_of(metric) == "1" and type == "gauge":
        unit = "ratio"
    if type == "counter":
        name = name.removesuffix("_total")
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return name, unit


def _name(text: str) -> str:
    name = _NOT_IN_NAMES.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def _family(families: dict[str, _Family], metric: str, type: Type) -> tuple[str, _Family | None]:
    name, unit = family_name(metric, type)
    family = families.setdefault(name, _Family(type, unit))
    return name, family if family.type == type else None  # two metrics of one name: the first wins


def _add_value(
    families: dict[str, _Family], batch: Measurements, series: str, value: float, type: Type
) -> None:
    metric, own = parse(series)
    name, family = _family(families, metric, type)
    if family is None:
        return
    labels = _labels(batch, own)
    sample = f"{name}_total" if type == "counter" else name
    family.lines.append(f"{sample}{{{labels}}} {_number(value)}")
    if type == "counter" and batch.start is not None:
        family.lines.append(f"{name}_created{{{labels}}} {_number(batch.start.timestamp())}")


def _add_histogram(families: dict[str, _Family], batch: Measurements, series: str, sums: Accumulated) -> None:
    metric, own = parse(series)
    name, family = _family(families, metric, "histogram")
    if family is None:
        return
    labels, histogram = _labels(batch, own), sums.histogram
    for bound, count in cumulative(histogram, seconds=family.unit == "seconds"):
        family.lines.append(f'{name}_bucket{{{labels},le="{_number(bound)}"}} {count}')
    family.lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {histogram.count}')
    family.lines.append(f"{name}_count{{{labels}}} {histogram.count}")
    family.lines.append(f"{name}_sum{{{labels}}} {_number(histogram.sum)}")
    family.lines.append(f"{name}_created{{{labels}}} {_number(sums.created.timestamp())}")


def cumulative(histogram: Histogram, *, seconds: bool) -> Iterator[tuple[float, int]]:
    """Yield (upper bound, events at or below it); every bound is one of the histogram's own: exact."""
    coarse = Histogram(scale=_SCALE)
    coarse.merge(histogram)
    indices = sorted(coarse.buckets)
    bounds = _SECONDS if seconds else [2.0 ** ((index + 1) / 2) for index in indices]
    total, position = coarse.zero_count, 0
    for bound in bounds:
        while position < len(indices) and 2.0 ** ((indices[position] + 1) / 2) <= bound * (1 + 1e-12):
            total += coarse.buckets[indices[position]]
            position += 1
        yield bound, total


def _labels(batch: Measurements, own: tuple[tuple[str, str], ...]) -> str:
    labels = {"source": batch.source, "kind": batch.kind, "group": batch.group, **label_names(own)}
    return ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items())


def label_names(own: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return labels under the keys that Prometheus takes; values whose keys become one are joined by `;`."""
    labels: dict[str, str] = {}
    for key, value in own:
        key = _name(key)
        labels[key] = f"{labels[key]};{value}" if key in labels else value
    return labels


def escaped(value: str) -> str:
    """Return a label's value as it stands between double quotes, in an exposition and in PromQL."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)
