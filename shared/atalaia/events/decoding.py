"""A message body becomes measurements: at once where it is plain, leniently where it is not.

For services alone: it needs msgspec, which applications that report do not install.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from atalaia.events.metrics import Measurements, check_sums, read_batch
from atalaia.stats.histogram import MIN_SCALE

_Name = Annotated[str, Meta(min_length=1, max_length=1024)]
_Instant = Annotated[datetime, Meta(tz=True)]
_NonNegative = Annotated[int, Meta(ge=0)]


class PlainDelta(Struct, frozen=True, gc=False):
    """A `HistogramDelta`, as strictly as JSON can be read."""

    count: _NonNegative
    sum: float
    scale: Annotated[int, Meta(ge=MIN_SCALE, le=20)]
    min: float | None = None
    max: float | None = None
    zero_count: _NonNegative = 0
    offset: int = 0
    counts: tuple[_NonNegative, ...] = ()

    def __post_init__(self) -> None:
        check_sums(self)


class Plain(Struct, frozen=True, gc=False):
    """A `MetricsBatch`, as strictly as JSON can be read."""

    source: _Name
    kind: _Name
    at: _Instant
    interval_s: Annotated[float, Meta(gt=0)]
    group: Annotated[str, Meta(max_length=1024)] = ""
    resource: dict[str, str] = {}
    gauges: dict[str, float] = {}
    counters: dict[str, float] = {}
    start: _Instant | None = None
    histograms: dict[str, PlainDelta] = {}
    seq: Annotated[int, Meta(ge=1)] | None = None
    final: bool = False

    def __post_init__(self) -> None:
        if not self.group:
            force_setattr(self, "group", self.source)


_PLAIN = msgspec.json.Decoder(Plain)


def decoded(body: bytes) -> Measurements:
    """Return what a message says, cheaper than `read_batch`, which decides on all that is not plain.

    The outcome is the same, save that nanoseconds are rounded and not cut off.

    Raises:
        Invalid: as `read_batch`.
    """
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what nobody asks for
        return _PLAIN.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read_batch(body)
