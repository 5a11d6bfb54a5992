"""The shapes that HTTP answers have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

from atalaia.errors import Invalid
from services.api.ports import AlertRecord

Text = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\u0000]*$")]
LabelText = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^=\u0000]+=[^\u0000]*$")]
AlertId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\u0000]*$")]
AlertCursor = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
# epoch seconds, or ISO 8601 with an offset
Moment = Annotated[FiniteFloat, Field(ge=0, le=253402300799)] | AwareDatetime


def moment_of(given: float | datetime | None, field: str) -> datetime | None:
    """Return a moment as a datetime; raises `Invalid` where it is beyond what one can be."""
    try:
        return (
            datetime.fromtimestamp(given, UTC)
            if isinstance(given, float)
            else given and given.astimezone(UTC)
        )
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{given!r} is no moment", field=field) from error


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] | None = None


class HealthAnswer(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    score: float
    at: datetime


class DeductionAnswer(BaseModel):
    reason: str
    points: float


class DependencyAnswer(BaseModel):
    status: Literal["up", "slow", "down", "off"]
    latency_s: float | None
    detail: str
    optional: bool


class ServiceAnswer(BaseModel):
    service: str
    instance: str
    version: str
    status: Literal["up", "draining", "missing"]
    last_seen_at: datetime
    host: str
    detail: str


class DetailedHealthAnswer(HealthAnswer):
    deductions: list[DeductionAnswer]
    dependencies: dict[str, DependencyAnswer]
    services: list[ServiceAnswer]


class SourceAnswer(BaseModel):
    source: str
    kind: str
    group: str
    at: datetime
    stale: bool
    gauges: dict[str, float]
    counters: dict[str, float]


class MetricsAnswer(BaseModel):
    sources: list[SourceAnswer]


class SeriesAnswer(BaseModel):
    source: str
    kind: str
    labels: dict[str, str]
    points: list[list[float | list[int] | None]]


class HistoryAnswer(BaseModel):
    metric: str
    unit: str | None
    type: Literal["gauge", "counter", "histogram"]
    series: list[SeriesAnswer]
    base: float | None = Field(None, description="of the buckets")


class EndpointAnswer(BaseModel):
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


class ServicePerformanceAnswer(BaseModel):
    """All endpoints of a service together."""

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


class PerformanceAnswer(BaseModel):
    window_s: float
    covered_s: float
    endpoints: list[EndpointAnswer]
    services: list[ServicePerformanceAnswer]


class AlertAnswer(BaseModel):
    """An alert with its newest transition. `at`: of that transition; of the newest value while pending."""

    model_config = ConfigDict(from_attributes=True)

    alert_id: str
    transition: str | None
    at: datetime
    rule: str
    series: str
    source: str
    kind: str
    group: str
    severity: Literal["warning", "error", "critical"] | None
    state: Literal["pending", "firing", "resolved"]
    value: float | None
    threshold: float | None
    started_at: datetime
    summary: str
    labels: dict[str, str]
    resolved_at: datetime | None
    resolved_by: str | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    description: str
    runbook_url: str
    flapping: bool
    stale: bool
    silenced: bool

    @classmethod
    def of(cls, record: AlertRecord) -> AlertAnswer:
        return cls.model_validate(record)


class AlertsAnswer(BaseModel):
    alerts: list[AlertAnswer]
    next_cursor: str | None


class TimelineEntry(BaseModel):
    model_config = ConfigDict(extra="allow")

    at: datetime
    type: Literal["transition", "delivery"]


class AlertWithTimeline(AlertAnswer):
    timeline: list[TimelineEntry]


class PersonBody(BaseModel):
    """Who does it, and why."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")] = "api"
    note: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\u0000]*$")] | None = None


class AcknowledgeBody(PersonBody):
    """`until`: when it counts as unacknowledged again; without it, as long as it gets no worse."""

    until: AwareDatetime | None = None


class RuleAnswer(BaseModel):
    """A rule, how many series it judges, and when it last judged one (by the time of the value).

    It judges the series of `metric` for which `match` holds: {key: value}, or {key: {"!=", "=~" or "!~":
    value}} with anchored patterns; a key is a label, `source`, `kind` or `group`. `of`: which of their
    events a `share` counts. `clear`: what replaces a tenth beyond the lowest threshold, for a value to be
    good again.
    """

    model_config = ConfigDict(from_attributes=True)

    name: str
    metric: str
    match: dict[str, str | dict[str, str]]
    function: str
    by: str
    by_labels: list[str]
    window_s: float
    of: dict[str, str | dict[str, str]]
    op: str
    thresholds: dict[str, float]
    clear: float | None
    for_s: float
    keep_firing_s: float
    labels: dict[str, str]
    runbook_url: str | None
    state: Literal["quiet", "pending", "firing"]
    series: int
    pending: int
    firing: int
    judged_at: datetime | None


class RulesAnswer(BaseModel):
    rules: list[RuleAnswer]
    next_cursor: str | None


class ChannelAnswer(BaseModel):
    """A channel and how it is. `away`: its breaker is open, one try leaves every 15 s."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str
    target: str
    state: Literal["up", "failing", "away"]
    failures: int
    waiting: int
    oldest_waiting_at: datetime | None
    not_before: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str


class ChannelsAnswer(BaseModel):
    channels: list[ChannelAnswer]


class ChannelTestAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    outcome: Literal["delivered", "failed", "rejected", "expired"]
    http_status: int | None
    detail: str
    latency_s: float


class SilenceAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    matchers: dict[str, str | dict[str, str]]
    starts_at: datetime
    ends_at: datetime
    by: str
    comment: str
    created_at: datetime
    expired_by: str | None
    state: Literal["pending", "active", "expired"]


class SilencesAnswer(BaseModel):
    silences: list[SilenceAnswer]
    next_cursor: str | None


class PreviewAnswer(BaseModel):
    """What a silence would hide now: how many of the alerts that fire, and the newest of them."""

    count: int
    everything: bool = Field(description="no alert could escape it")
    alerts: list[AlertAnswer]


Value = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\u0000]*$")]
By = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")]
Matchers = Annotated[
    dict[Text, Value | dict[Text, Value]],
    Field(max_length=50, description='label: value, or label: {"!=", "=~" or "!~": value}'),
]


class PreviewBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    matchers: Matchers


class SilenceBody(PreviewBody):
    """What to hold back, and until when: `ends_at`, or `duration_s` from the start."""

    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    duration_s: Annotated[float, Field(gt=0, le=365 * 86400, allow_inf_nan=False)] | None = None
    by: By = "api"
    comment: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\u0000]*$")] = ""
    everything: bool = False


class ExpireBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: By = "api"


class SubjectsAnswer(BaseModel):
    subjects: int


class CacheStatusAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    available: bool
    backend: str
    hits: int
    misses: int
    hit_ratio: float | None
    keys: int | None
    memory_bytes: int | None
    mean_latency_s: float | None


class ClearedAnswer(BaseModel):
    cleared: int


class VersionAnswer(BaseModel):
    service: str
    instance: str
    version: str
    status: Literal["up", "draining", "missing"]


class SystemAnswer(BaseModel):
    host: dict[str, Any]
    os: dict[str, Any]
    cpu: dict[str, Any]
    memory: dict[str, Any]
    python: dict[str, Any]
    version: str
    services: list[VersionAnswer]
    links: dict[str, str] = Field(description="Prometheus and Grafana, where they are set")


class LoadTestAnswer(BaseModel):
    run_id: str
    started_at: datetime | None
    finished_at: datetime | None
    state: str
    target: str
    verdict: Any


class LoadTestsAnswer(BaseModel):
    loadtests: list[LoadTestAnswer]
    next_cursor: str | None


class LoadTestDetailAnswer(LoadTestAnswer):
    result: dict[str, Any] | None
    windows: list[dict[str, Any]]
    server: list[dict[str, Any]] = Field(
        description="series of hosts and applications, points as in /metrics"
    )


class LoadTestLimitsAnswer(BaseModel):
    """What may be asked for. `hosts`: beside loopback. `default_url`: where it goes without a `url`."""

    model_config = ConfigDict(from_attributes=True)

    hosts: list[str]
    default_url: str
    max_rps: float
    max_users: int
    max_duration_s: float


class LoadTestAcceptedAnswer(BaseModel):
    run_id: str


class StateAnswer(BaseModel):
    status: str
