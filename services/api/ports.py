"""What the gateway's handlers need from the world."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from atalaia.events.alerts import Severity
from atalaia.events.loadtests import LoadTestRequest
from atalaia.events.matching import Conditions
from services.api.domain.active import Known
from services.api.domain.health import State
from services.api.domain.history import SubjectHistory
from services.api.domain.ranges import Line, Range

AlertState = Literal["pending", "firing", "resolved"]
SilenceState = Literal["pending", "active", "expired"]


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One alert as stored, with its newest transition."""

    alert_id: str
    transition: str | None
    at: datetime
    rule: str
    series: str
    source: str
    kind: str
    group: str
    severity: str | None
    state: AlertState
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


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts; newest first, those before `before` (an alert_id).

    `since`, `until`: those that were there at some moment between them.
    """

    state: AlertState | None
    severity: Severity | None = None
    rule: str | None = None
    source: str | None = None
    limit: int = 50
    before: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AlertReader(Protocol):
    """All raise `Transient` when the database is away."""

    async def page(self, query: AlertQuery) -> list[AlertRecord]: ...

    async def one(self, alert_id: str) -> tuple[AlertRecord, list[dict[str, Any]]] | None:
        """Return the alert and its timeline, oldest first."""
        ...

    async def firing(self) -> list[Known]: ...

    async def current(self, known: Sequence[str], most: int) -> list[tuple[int, AlertRecord]]:
        """Return (sequence, alert): the newest `most` pending or firing, and those `known` that are over."""
        ...

    async def hidden_by(self, matchers: Conditions, limit: int) -> tuple[list[AlertRecord], int]:
        """Return the newest firing alerts that these conditions match, and how many there are."""
        ...


class AlertRequests(Protocol):
    """Raise `NotFound`, `Conflict`, or `Transient` when alerting does not answer."""

    async def resolve(self, alert_id: str, *, by: str, note: str | None) -> None: ...

    async def acknowledge(
        self, alert_id: str, *, by: str, note: str | None, until: datetime | None
    ) -> None: ...

    async def unacknowledge(self, alert_id: str, *, by: str, note: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule and what is judged by it: series in all replicas, and when one was judged last."""

    name: str
    metric: str
    function: str
    by: str
    by_labels: list[str]
    window_s: float
    op: str
    thresholds: dict[str, float]
    for_s: float
    keep_firing_s: float
    labels: dict[str, str]
    runbook_url: str | None
    series: int
    pending: int
    firing: int
    judged_at: datetime | None
    match: dict[str, str | dict[str, str]] = field(default_factory=dict)
    of: dict[str, str | dict[str, str]] = field(default_factory=dict)
    clear: float | None = None


class RuleReader(Protocol):
    async def rules(self, replicas: int) -> list[RuleRecord]:
        """Ask so many replicas of alerting. Raises `Transient` where none answers."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel and how it is. `waiting`: transitions that it has not been told."""

    name: str
    kind: str
    target: str
    failures: int
    not_before: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True)
class SilenceRecord:
    id: str
    matchers: dict[str, str | dict[str, str]]
    starts_at: datetime
    ends_at: datetime
    by: str
    comment: str
    created_at: datetime
    expired_by: str | None
    state: SilenceState


@dataclass(frozen=True, slots=True)
class SilenceQuery:
    """Which silences; newest first, those before `before` (an id); without a state all."""

    state: SilenceState | None = None
    limit: int = 50
    before: str | None = None


@dataclass(frozen=True, slots=True)
class NewSilence:
    matchers: Mapping[str, str | dict[str, str]]
    starts_at: datetime | None
    ends_at: datetime
    by: str
    comment: str
    everything: bool


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """What a test message came to."""

    outcome: Literal["delivered", "failed", "rejected", "expired"]
    http_status: int | None
    detail: str
    latency_s: float


class NotificationReader(Protocol):
    """All raise `Transient` when the database is away."""

    async def channels(self) -> list[ChannelRecord]: ...

    async def silences(self, query: SilenceQuery) -> list[SilenceRecord]: ...

    async def silence(self, silence_id: str) -> SilenceRecord | None: ...


class NotificationRequests(Protocol):
    """All raise `Transient` when alerting does not answer."""

    async def create_silence(self, silence: NewSilence) -> str:
        """Return its id. Raises `Invalid`."""
        ...

    async def expire_silence(self, silence_id: str, *, by: str) -> None:
        """Raise `NotFound` or `Conflict`."""
        ...

    async def test_channel(self, name: str) -> TestOutcome:
        """Raise `NotFound`."""
        ...


class Histories(Protocol):
    async def of(self, subject: str) -> SubjectHistory:
        """Return a subject's history; it keeps growing while it is used. Raises `Transient`."""
        ...


class LongRanges(Protocol):
    async def lines(self, query: str, asked: Range) -> list[Line]:
        """Return what a query in PromQL gives at each moment of a range, where it gives anything.

        Raises:
            Transient: there is no answer, or not soon enough.
            Invalid: what came is no answer, or a refusal of this query.
        """
        ...


class FollowedStream(Protocol):
    """The stream of metrics, as far as it was taken. `loaded` once everything stored was seen."""

    loaded: asyncio.Event

    @property
    def sequence(self) -> int: ...

    @property
    def stream(self) -> str:
        """Return what tells it from another stream of the same name: a few hex digits."""
        ...

    def news(self) -> set[str]:
        """Return the names of the subjects with a newer message since the last call."""
        ...


class Departures(Protocol):
    async def publish_final(
        self, *, kind: str, group: str, source: str, after: datetime, interval_s: float
    ) -> None:
        """Say that a source has left, at a moment later than `after`. Raises `Transient`."""
        ...


@dataclass(frozen=True, slots=True)
class DependencyReport:
    status: State
    latency_s: float | None
    detail: str
    optional: bool


class Dependencies(Protocol):
    def reports(self) -> dict[str, DependencyReport]: ...


class LoadTests(Protocol):
    def page(self, limit: int, before: str | None) -> tuple[Sequence[dict[str, Any]], str | None]:
        """Return runs, newest first, and the cursor of what comes after."""
        ...

    async def one(self, run_id: str) -> dict[str, Any] | None: ...

    def news(self) -> tuple[list[dict[str, Any]], list[tuple[str, dict[str, Any]]]]:
        """Return the runs that changed since the last call, and new windows as (run_id, window), in order."""
        ...


@dataclass(frozen=True, slots=True)
class LoadTestLimits:
    """What the load generator's operator allows. `hosts`: beside loopback."""

    hosts: list[str]
    default_url: str
    max_rps: float
    max_users: int
    max_duration_s: float


class LoadTestRunner(Protocol):
    async def run(self, request: LoadTestRequest) -> str:
        """Return the run's id; raises `Forbidden`, `Conflict`, `Invalid`, or `Transient`."""
        ...

    async def end(self, run_id: str) -> bool:
        """End a run early; False where none of that name goes on. Raises `Transient`."""
        ...

    async def limits(self) -> LoadTestLimits:
        """Raise `Transient` where no load generator answers."""
        ...


@dataclass(frozen=True, slots=True)
class CacheReport:
    available: bool
    backend: str
    hits: int
    misses: int
    hit_ratio: float | None
    keys: int | None
    memory_bytes: int | None
    mean_latency_s: float | None


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page. `encoded`: its body by content encoding, as far as the build made them.

    `lasting`: its name changes with its content.
    """

    body: bytes
    media_type: str
    tag: str
    encoded: dict[str, bytes]
    lasting: bool


class Page(Protocol):
    def asset(self, path: str) -> Asset | None:
        """Return what is at a path of the page, `/` being its beginning; None: nothing."""
        ...


class CacheControl(Protocol):
    async def report(self) -> CacheReport: ...

    async def clear(self, pattern: str) -> int:
        """Remove what is Atalaia's and matches; raises `Transient` when the cache is away."""
        ...
