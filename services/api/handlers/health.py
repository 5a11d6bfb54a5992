"""Health: the score, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Generic, TypeVar

from fastapi import APIRouter
from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from atalaia.clock import Clock
from atalaia.events.instants import iso
from services.api.domain.active import ActiveAlerts
from services.api.domain.health import Firing, Health, State, Troubles, assess
from services.api.domain.registry import Instance, Registry, Roll
from services.api.handlers.models import (
    DependencyAnswer,
    DetailedHealthAnswer,
    HealthAnswer,
    ServiceAnswer,
)
from services.api.ports import Dependencies, DependencyReport

VITAL = ("nats", "postgres")
_DEPENDENCIES = TypeAdapter(dict[str, DependencyAnswer])
_MOMENT = TypeAdapter(datetime)
_SERVICES = TypeAdapter(list[ServiceAnswer])
_Seen = tuple[dict[str, State], Roll, tuple[Firing, ...]]


T = TypeVar("T")


class _Written(Generic[T]):
    """What is written of something, once for as long as it is the very same object."""

    def __init__(self, write: Callable[[T], bytes]) -> None:
        self._write = write
        self._last: tuple[T, bytes] | None = None

    def of(self, one: T) -> bytes:
        if self._last is None or self._last[0] is not one:
            self._last = one, self._write(one)
        return self._last[1]


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
        self._beginning = _Written(_beginning)
        self._deductions = _Written(_deductions)
        self._services = _Written(_services)

    def register(self, router: APIRouter) -> None:
        vital: dict[int | str, dict[str, Any]] = {
            503: {"model": HealthAnswer, "description": "NATS or Postgres is away"}
        }
        router.get("/health", response_model=HealthAnswer, responses=vital)(self.health)
        router.get("/health/detailed", response_model=DetailedHealthAnswer)(self.detailed)

    async def health(self) -> Response:
        """Status and score; 503 when NATS or Postgres is away, with the same body."""
        return self._short()

    async def detailed(self) -> Response:
        """The same, with every deduction, dependency and service instance; always 200."""
        return self._detailed()

    def plain(self, query: bytes) -> Response | None:
        """Return the answer of `/health` to a question without parameters."""
        return None if query else self._short()

    def plain_detailed(self, query: bytes) -> Response | None:
        """Return the answer of `/health/detailed` to a question without parameters."""
        return None if query else self._detailed()

    async def for_the_stream(self) -> tuple[Hashable, bytes]:
        """Return (what of it matters, the detailed answer as JSON)."""
        reports = self._dependencies.reports()
        health = self._assess(reports)
        dependencies = tuple((name, one.status, one.detail) for name, one in reports.items())
        services = tuple(
            (one.said.service, one.said.instance, one.status, one.said.detail) for one in self.instances()
        )
        return (health, dependencies, services), self._in_detail(health, reports)

    def _short(self) -> Response:
        reports = self._dependencies.reports()
        away = any(reports[name].status == "down" for name in VITAL)
        body = b'%b,"at":"%b"}' % (
            self._beginning.of(self._assess(reports)),
            iso(self._clock.now()).encode(),
        )
        return _json(body, 503 if away else 200)

    def _detailed(self) -> Response:
        reports = self._dependencies.reports()
        return _json(self._in_detail(self._assess(reports), reports))

    def _in_detail(self, health: Health, reports: dict[str, DependencyReport]) -> bytes:
        """Return `DetailedHealthAnswer` as JSON: each part that changes seldom is written once per change."""
        return b'%b,"at":%b,"deductions":%b,"dependencies":%b,"services":%b}' % (
            self._beginning.of(health),
            _MOMENT.dump_json(self._clock.now()),
            self._deductions.of(health),
            _DEPENDENCIES.dump_json({name: _dependency(report) for name, report in reports.items()}),
            self._services.of(self.instances()),
        )

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


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _beginning(health: Health) -> bytes:
    """Return what comes before the time."""
    return to_json({"status": health.status, "score": health.score})[:-1]


def _deductions(health: Health) -> bytes:
    return to_json([{"reason": one.reason, "points": one.points} for one in health.deductions])


def _dependency(report: DependencyReport) -> DependencyAnswer:
    return DependencyAnswer(
        status=report.status, latency_s=report.latency_s, detail=report.detail, optional=report.optional
    )


def _services(instances: tuple[Instance, ...]) -> bytes:
    return _SERVICES.dump_json([_service(one) for one in instances])


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
