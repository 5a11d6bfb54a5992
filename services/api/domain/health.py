"""The health score: a pure function of what is wrong, whose deductions add up.

score = max(0, 100 − Σ points). Each trouble has its points; where they exceed what is
left of the 100, the last ones listed get what is left, so that the deductions always
add up to 100 − score. More trouble, or worse, never raises the score.

| trouble | points |
|---|---|
| an alert that fires: critical, error, warning | 20, 10, 4 |
| NATS or Postgres down | 60 |
| NATS or Postgres slow | 15 |
| Redis down, slow | 5, 2 |
| no instance of alerting, collector, loadgen up | 40, 20, 2 |
| what a service warns of | 5 |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from atalaia.events.alerts import Severity

State = Literal["up", "slow", "down", "off"]
ALERT_POINTS = {Severity.CRITICAL: 20.0, Severity.ERROR: 10.0, Severity.WARNING: 4.0}
DEPENDENCY_POINTS: dict[str, dict[State, float]] = {
    "nats": {"down": 60.0, "slow": 15.0},
    "postgres": {"down": 60.0, "slow": 15.0},
    "redis": {"down": 5.0, "slow": 2.0},
}
SERVICE_POINTS = {"alerting": 40.0, "collector": 20.0, "loadgen": 2.0}
WARNING_POINTS = 5.0
HEALTHY_FROM, DEGRADED_FROM = 90.0, 50.0


class Deduction(NamedTuple):
    reason: str
    points: float


class Firing(NamedTuple):
    """An alert that fires, as far as health minds it."""

    severity: Severity
    summary: str


@dataclass(frozen=True, slots=True)
class Troubles:
    """Everything the score looks at. `absent`: services with no instance up; `warnings`: (service, text)."""

    firing: tuple[Firing, ...] = ()
    dependencies: Mapping[str, State] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    score: float
    deductions: tuple[Deduction, ...]

    @property
    def status(self) -> Literal["healthy", "degraded", "unhealthy"]:
        if self.score >= HEALTHY_FROM:
            return "healthy"
        return "degraded" if self.score >= DEGRADED_FROM else "unhealthy"


def assess(troubles: Troubles) -> Health:
    """Return the score and its reasons, the weightiest first."""
    left = 100.0
    deductions = []
    for minus, reason in sorted((-points, reason) for reason, points in _wanted(troubles)):
        points = min(-minus, left)
        left -= points
        deductions.append(Deduction(reason, points))
    return Health(left, tuple(deductions))


def _wanted(troubles: Troubles) -> Iterable[tuple[str, float]]:
    for name, state in troubles.dependencies.items():
        points = DEPENDENCY_POINTS.get(name, {}).get(state)
        if points is not None:
            yield f"{name} is {state}", points
    for service in troubles.absent:
        if service in SERVICE_POINTS:
            yield f"no instance of {service} is up", SERVICE_POINTS[service]
    for service, text in troubles.warnings:
        yield f"{service}: {text}", WARNING_POINTS
    for alert in troubles.firing:
        yield f"{alert.severity}: {alert.summary}", ALERT_POINTS[alert.severity]
