"""Health: the score, and what it is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from atalaia.clock import Clock
from services.api.domain.active import ActiveAlerts
from services.api.domain.health import Health, Troubles, assess
from services.api.domain.registry import Instance, Registry
from services.api.handlers.models import (
    DeductionAnswer,
    DependencyAnswer,
    DetailedHealthAnswer,
    HealthAnswer,
    ServiceAnswer,
)
from services.api.ports import Dependencies, DependencyReport

VITAL = ("nats", "postgres")


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

    def register(self, router: APIRouter) -> None:
        vital: dict[int | str, dict[str, Any]] = {
            503: {"model": HealthAnswer, "description": "NATS or Postgres is away"}
        }
        router.get("/health", response_model=HealthAnswer, responses=vital)(self.health)
        router.get("/health/detailed", response_model=DetailedHealthAnswer)(self.detailed)

    async def health(self) -> Response:
        """Status and score; 503 when NATS or Postgres is away, with the same body."""
        reports = self._dependencies.reports()
        health = self._assess(reports)
        answer = HealthAnswer(status=health.status, score=health.score, at=self._clock.now())
        away = any(reports[name].status == "down" for name in VITAL)
        return Response(answer.model_dump_json(), 503 if away else 200, media_type="application/json")

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

    def instances(self) -> list[Instance]:
        """Return the service instances that are known."""
        return self._registry.instances(self._listening_until(self._dependencies.reports()))

    def _assess(self, reports: dict[str, DependencyReport]) -> Health:
        now = self._listening_until(reports)
        warnings = {
            (one.said.service, one.said.detail)
            for one in self._registry.instances(now)
            if one.said.detail and one.status != "missing"
        }
        return assess(
            Troubles(
                firing=self._active.firing(),
                dependencies={name: report.status for name, report in reports.items()},
                absent=self._registry.absent(now),
                warnings=tuple(sorted(warnings)),
            )
        )

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
