"""An alert, and what may happen to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, json
from msgspec.structs import asdict, replace

from atalaia.events.alerts import AlertTransition, Severity, Transition


class State(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Key(NamedTuple):
    """The identity of an alert. By group: `source` is the group, `series` the metric."""

    rule: str
    kind: str
    source: str
    series: str


class Alert(Struct, frozen=True, gc=False):
    """One alert as it is stored.

    `rearm`: resolved by hand at this severity, and no good value since. `good_since`: values are
    good, but the rule keeps it firing for a while. `flapping`: its series fires over and over; of a
    series, only the newest alert bears this mark.
    """

    alert_id: str
    key: Key
    group: str
    partition: int
    state: State
    started_at: datetime
    last_at: datetime
    stale: bool = False
    severity: Severity | None = None
    value: float | None = None
    threshold: float | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_until: datetime | None = None
    good_since: datetime | None = None
    summary: str = ""
    description: str = ""
    runbook_url: str = ""
    labels: Mapping[str, str] = {}
    held_since: Mapping[Severity, datetime] = {}
    rearm: Severity | None = None
    flapping: bool = False
    sequence: int = 0

    @property
    def over(self) -> bool:
        """Return whether nothing needs to be remembered of it to judge what comes."""
        return self.state is State.RESOLVED and self.rearm is None and not self.flapping


class Change(Struct, frozen=True, gc=False):
    """What to store and, with a transition, to announce.

    `withdrawn`: it never fired, forget it. `by`: the person who did it. `said`: its event's JSON, once
    `spoken` has worked it out.
    """

    alert: Alert
    at: datetime
    transition: Transition | None = None
    withdrawn: bool = False
    note: str | None = None
    by: str | None = None
    said: str = ""

    def event(self) -> AlertTransition:
        """Return what is said of the transition."""
        return AlertTransition(**asdict(self._facts()))

    def spoken(self) -> Change:
        """Return it with its event's JSON, cheaper than `event`: what is ours is not checked."""
        if self.transition is None:
            return self
        return replace(self, said=_TO_JSON.encode(self._facts()).decode())

    def _facts(self) -> _Facts:
        alert, key = self.alert, self.alert.key
        assert self.transition is not None and alert.severity is not None
        return _Facts(
            alert_id=alert.alert_id,
            transition=self.transition,
            at=self.at,
            rule=key.rule,
            series=key.series,
            source=key.source,
            kind=key.kind,
            group=alert.group,
            severity=alert.severity,
            state="resolved" if alert.state is State.RESOLVED else "firing",
            value=alert.value,
            threshold=alert.threshold,
            started_at=alert.started_at,
            summary=alert.summary,
            description=alert.description or None,
            runbook_url=alert.runbook_url or None,
            labels=alert.labels,
            acknowledged_by=alert.acknowledged_by,
            resolved_by=alert.resolved_by,
            by=self.by,
            flapping=alert.flapping or None,
        )


class _Facts(Struct, kw_only=True, omit_defaults=True, gc=False):
    """An `AlertTransition` before it is checked: its fields, in its order; what may be absent is None."""

    alert_id: str
    transition: Transition
    at: datetime
    rule: str
    series: str
    source: str
    kind: str
    group: str
    severity: Severity
    state: str
    value: float | None
    threshold: float | None
    started_at: datetime
    summary: str
    description: str | None = None
    runbook_url: str | None = None
    labels: Mapping[str, str]
    acknowledged_by: str | None = None
    resolved_by: str | None = None
    by: str | None = None
    flapping: bool | None = None


_TO_JSON = json.Encoder()
