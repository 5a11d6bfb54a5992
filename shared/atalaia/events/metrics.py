"""The `metrics` event: all series of one source and kind at one moment, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    model_validator,
)

from atalaia.errors import Invalid
from atalaia.events import series as _series
from atalaia.events.instants import iso
from atalaia.events.subjects import METRICS_PREFIX, token
from atalaia.stats.histogram import MAX_OCTAVES, MIN_SCALE, Dense, Histogram

NonNegative = Annotated[int, Field(ge=0)]


class HistogramDelta(BaseModel):
    """The events of one interval as a base-2 exponential histogram."""

    model_config = ConfigDict(frozen=True)

    count: NonNegative
    sum: FiniteFloat
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    scale: int = Field(ge=MIN_SCALE, le=20)
    zero_count: NonNegative = 0
    offset: int = 0
    counts: list[NonNegative] = Field(default_factory=list)

    @model_validator(mode="after")
    def _adds_up(self) -> HistogramDelta:
        check_sums(self)
        return self

    @classmethod
    def of(cls, histogram: Histogram) -> HistogramDelta:
        """Return the form that travels."""
        offset, counts = histogram.dense()
        some = histogram.count > 0
        return cls(
            count=histogram.count,
            sum=histogram.sum,
            min=histogram.min if some else None,
            max=histogram.max if some else None,
            scale=histogram.scale,
            zero_count=histogram.zero_count,
            offset=offset,
            counts=counts,
        )


class MetricsBatch(BaseModel):
    """One message on `atalaia.metrics.<kind>.<group>.<source>`. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True)

    source: str = Field(min_length=1, max_length=1024)
    kind: str = Field(min_length=1, max_length=1024)
    group: str = Field("", max_length=1024, description="defaults to `source`")
    at: AwareDatetime
    interval_s: FiniteFloat = Field(gt=0)
    resource: dict[str, str] = Field(default_factory=dict)
    gauges: dict[str, FiniteFloat] = Field(default_factory=dict)
    counters: dict[str, FiniteFloat] = Field(default_factory=dict)
    start: AwareDatetime | None = Field(None, description="since when the counters count")
    histograms: dict[str, HistogramDelta] = Field(default_factory=dict)
    seq: int | None = Field(None, ge=1)
    final: bool = False

    @model_validator(mode="after")
    def _group_defaults_to_source(self) -> MetricsBatch:
        if not self.group:
            object.__setattr__(self, "group", self.source)
        return self

    @property
    def message_id(self) -> str:
        """Return the `Nats-Msg-Id`, derived from the identity (kind, source, at)."""
        return message_id(self.kind, self.source, self.at)

    def body(self) -> bytes:
        """Return the JSON that is published; what is not set is left out."""
        return self.model_dump_json(exclude_none=True).encode()


class Measurements(Protocol):
    """What a metrics message says, whoever decoded it: it is a `MetricsBatch`, or like one."""

    @property
    def source(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def interval_s(self) -> float: ...

    @property
    def gauges(self) -> Mapping[str, float]: ...

    @property
    def counters(self) -> Mapping[str, float]: ...

    @property
    def start(self) -> datetime | None: ...

    @property
    def histograms(self) -> Mapping[str, Dense]: ...

    @property
    def final(self) -> bool: ...


def check_sums(delta: Dense) -> None:
    """Raise `ValueError` when the buckets do not come to the count, or are more than may travel."""
    if delta.count != delta.zero_count + sum(delta.counts):
        raise ValueError("count is not zero_count plus the sum of counts")
    if len(delta.counts) > MAX_OCTAVES * 2**delta.scale:
        raise ValueError(f"more than {MAX_OCTAVES} octaves")


def message_id(kind: str, source: str, at: datetime) -> str:
    """Return the id under which the broker drops a repetition."""
    return f"{token(kind)}:{token(source)}:{iso(at)}"


def read_batch(body: bytes | str) -> MetricsBatch:
    """Return the batch in a message body. Spelling of series is not checked here (see `check_series`).

    Raises:
        Invalid: not JSON, or not this schema; names the field.
    """
    try:
        return MetricsBatch.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{where or 'body'}: {first['msg']}", field=where) from error


def check_series(batch: Measurements) -> None:
    """Raise `Invalid` when one of the batch's series is not in its one spelling."""
    columns: tuple[Iterable[str], ...] = (batch.gauges, batch.counters, batch.histograms)
    for names in columns:
        for name in names:
            _series.parse(name)


def check_subject(batch: Measurements, subject: str) -> None:
    """Raise `Invalid` when the body names another kind, group or source than the subject does."""
    if any("\0" in name for name in (batch.kind, batch.group, batch.source)):
        raise Invalid("a name holds a NUL character", field="source")
    parts = subject.split(".")
    expected = [METRICS_PREFIX.split(".")[0], METRICS_PREFIX.split(".")[1]]
    expected += [token(batch.kind), token(batch.group), token(batch.source)]
    if parts[:5] != expected:
        raise Invalid(
            f"the body says {'.'.join(expected)}, the subject {'.'.join(parts[:5])}", field="source"
        )
