"""A message body becomes measurements: at once where it is plain, leniently where it is not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct
from pydantic import TypeAdapter

from atalaia.events.metrics import HistogramDelta, Measurements, read_batch

_Name = Annotated[str, Meta(min_length=1, max_length=1024)]
_Instant = Annotated[datetime, Meta(tz=True)]


class _Written(Struct, gc=False):
    """The fields of a `MetricsBatch`, as strictly as JSON can be read; histograms are not read yet."""

    source: _Name
    kind: _Name
    at: _Instant
    interval_s: Annotated[float, Meta(gt=0)]
    group: Annotated[str, Meta(max_length=1024)] = ""
    resource: dict[str, str] = {}
    gauges: dict[str, float] = {}
    counters: dict[str, float] = {}
    start: _Instant | None = None
    histograms: dict[str, Raw] = {}
    seq: Annotated[int, Meta(ge=1)] | None = None
    final: bool = False


class Plain(Struct, frozen=True, gc=False):
    """Measurements, checked."""

    source: str
    kind: str
    group: str
    at: datetime
    interval_s: float
    gauges: dict[str, float]
    counters: dict[str, float]
    start: datetime | None
    histograms: dict[str, HistogramDelta]
    final: bool


_WRITTEN = msgspec.json.Decoder(_Written)
_DELTA = TypeAdapter(HistogramDelta)


def decoded(body: bytes) -> Measurements:
    """Return what a message says, cheaper than `read_batch`, which decides on all that is not plain.

    The outcome is the same, save that nanoseconds are rounded and not cut off.

    Raises:
        Invalid: as `read_batch`.
    """
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what nobody asks for
        written = _WRITTEN.decode(body)
        histograms = {name: _DELTA.validate_json(bytes(raw)) for name, raw in written.histograms.items()}
    except (msgspec.DecodeError, ValueError, RecursionError):  # not UTF-8, no histogram, too deep, and so on
        return read_batch(body)
    return Plain(
        written.source,
        written.kind,
        written.group or written.source,
        written.at,
        written.interval_s,
        written.gauges,
        written.counters,
        written.start,
        histograms,
        written.final,
    )
