"""Health: the score, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Hashable
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from atalaia.clock import Clock
from atalaia.events.instants import iso
from services.api.domain.active import ActiveAlerts
from services.api.domain.health import Firing, Health, State, Troubles, assess
from services.api.domain.registry import Instance, Registry, Roll
from services.api.handlers.models import (
    DeductionAnswer,
    DependencyAnswer,
    DetailedHealthAnswer,
    HealthAnswer,
    ServiceAnswer,
)
from services.api.ports import Dependencies, DependencyReport

VITAL = ("nats", "postgres")
_Seen = tuple[dict[str, State], Roll, tuple[Firing, ...]]


class HealthHandlers:
    def __init__(
        self, registry: Registry, active: ActiveAlerts, dependencies: Dependencies, clock: Clock
    ) -> None:
        self._registry = registry
        self._active = active
        self._dependencies = dependencies
        self._clock = clock
        self._heard_until = clock.now()
        self._deaf = False
        self._assessed: tuple[_Seen, Health] | None = None
        self._written_of: Health | None = None
        self._written = ""

    def register(self, router: APIRouter) -> None:
        vital: dict[int | str, dict[str, Any]] = {
            503: {"model": HealthAnswer, "description": "NATS or Postgres is away"}
        }
        router.get("/health", response_model=HealthAnswer, responses=vital)(self.health)
        router.get("/health/detailed", response_model=DetailedHealthAnswer)(self.detailed)

    async def health(self) -> Response:
        """Status and score; 503 when NATS or Postgres is away, with the same body."""
        return self._short()

    def plain(self, query: bytes) -> Response | None:
        """Return the answer of `/health` to a question without parameters."""
        return None if query else self._short()

    def _short(self) -> Response:
        """What comes before the time is written once per change."""
        reports = self._dependencies.reports()
        health = self._assess(reports)
        if health is not self._written_of:
            self._written_of = health
            answer = {"status": health.status, "score": health.score}
            self._written = json.dumps(answer, separators=(",", ":"))[:-1]
        away = any(reports[name].status == "down" for name in VITAL)
        body = f'{self._written},"at":"{iso(self._clock.now())}"}}'
        return Response(body, 503 if away else 200, media_type="application/json")

    async def detailed(self) -> DetailedHealthAnswer:
        """The same, with every deduction, dependency and service instance; always 200."""
        reports = self._dependencies.reports()
        health = self._assess(reports)
        return DetailedHealthAnswer(
            status=health.status,
            score=health.score,
            at=self._clock.now(),
            deductions=[DeductionAnswer(reason=one.reason, points=one.points) for one in health.deductions],
            dependencies={
                name: DependencyAnswer(
                    status=report.status,
                    latency_s=report.latency_s,
                    detail=report.detail,
                    optional=report.optional,
                )
                for name, report in reports.items()
            },
            services=[_service(one) for one in self.instances()],
        )

    async def for_the_stream(self) -> tuple[Hashable, bytes]:
        """Return (what of it matters, the detailed answer as JSON)."""
        said = await self.detailed()
        deductions = tuple((one.reason, one.points) for one in said.deductions)
        dependencies = tuple((name, one.status, one.detail) for name, one in said.dependencies.items())
        services = tuple((one.service, one.instance, one.status, one.detail) for one in said.services)
        matters = (said.status, said.score, deductions, dependencies, services)
        return matters, said.model_dump_json().encode()

    def instances(self) -> tuple[Instance, ...]:
        """Return the service instances that are known."""
        return self._registry.roll(self._listening_until(self._dependencies.reports())).instances

    def _assess(self, reports: dict[str, DependencyReport]) -> Health:
        """Assess what is wrong, once for each change of it."""
        roll = self._registry.roll(self._listening_until(reports))
        states = {name: report.status for name, report in reports.items()}
        seen = (states, roll, self._active.firing())
        if self._assessed is None or not _same(seen, self._assessed[0]):
            self._assessed = seen, assess(_troubles(*seen))
        return self._assessed[1]

    def _listening_until(self, reports: dict[str, DependencyReport]) -> datetime:
        """Return now, or since when nobody can be heard: without a broker, silence says nothing."""
        now = self._clock.now()
        deaf = reports["nats"].status == "down"
        if self._deaf and not deaf:
            self._registry.listen_anew(now)
        self._deaf = deaf
        if not deaf:
            self._heard_until = now
        return self._heard_until


def _same(seen: _Seen, before: _Seen) -> bool:
    """Say whether nothing changed: states by value, the others are the same objects while they stay."""
    return seen[0] == before[0] and seen[1] is before[1] and seen[2] is before[2]


def _troubles(states: dict[str, State], roll: Roll, firing: tuple[Firing, ...]) -> Troubles:
    warnings = {
        (one.said.service, one.said.detail)
        for one in roll.instances
        if one.said.detail and one.status != "missing"
    }
    return Troubles(firing, states, roll.absent, tuple(sorted(warnings)))


def _service(one: Instance) -> ServiceAnswer:
    return ServiceAnswer(
        service=one.said.service,
        instance=one.said.instance,
        version=one.said.version,
        status=one.status,
        last_seen_at=one.last_seen_at,
        host=one.said.host,
        detail=one.said.detail,
    )
