"""The `alerts` event: one transition of one alert."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

SEVERITY_HEADER = "atalaia-severity"
_MAY_BE_ABSENT = frozenset(("description", "runbook_url", "acknowledged_by", "resolved_by", "by", "flapping"))


class Severity(StrEnum):
    """How bad, rising; compare with `rank`."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    __hash__ = str.__hash__  # an Enum's is written in Python, and each look into a dict pays for it

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Transition(StrEnum):
    """What happened to an alert."""

    FIRED = "fired"
    SEVERITY_CHANGED = "severity_changed"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    WENT_STALE = "went_stale"
    DATA_RETURNED = "data_returned"
    STABILIZED = "stabilized"
    RESOLVED = "resolved"


class AlertTransition(BaseModel):
    """One message on `atalaia.alerts.<rule>.<source>`."""

    model_config = ConfigDict(frozen=True)

    alert_id: str
    transition: Transition
    at: AwareDatetime
    rule: str
    series: str
    source: str
    kind: str
    group: str
    severity: Severity
    state: Literal["firing", "resolved"]
    value: FiniteFloat | None
    threshold: FiniteFloat | None
    started_at: AwareDatetime
    summary: str
    description: str | None = None
    runbook_url: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    acknowledged_by: str | None = None
    resolved_by: str | None = None
    by: str | None = None
    flapping: bool | None = None

    def body(self) -> bytes:
        """Return the JSON that is published; what may be absent and is not set is left out."""
        absent = {name for name in _MAY_BE_ABSENT if getattr(self, name) is None}
        return self.model_dump_json(exclude=absent).encode()
