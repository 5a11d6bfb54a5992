"""Answers from prepared bytes: what FastAPI would say, to every question, in every state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atalaia.events.services import ServiceAnnouncement
from atalaia.events.subjects import token
from services.api.domain.active import ActiveAlerts
from services.api.domain.health import State
from services.api.domain.history import SubjectHistory
from services.api.domain.newest import Newest, Subject
from services.api.domain.openmetrics import Accumulated
from services.api.domain.registry import Registry
from services.api.handlers import problems
from services.api.handlers.health import HealthHandlers
from services.api.handlers.metrics import MetricsHandlers
from services.api.handlers.models import DetailedHealthAnswer
from services.api.handlers.newest_values import NewestValues
from services.api.handlers.prepared import Prepared
from services.api.ports import DependencyReport
from tests.unit.api.builders import T0, known

PATHS = ("/health", "/health/detailed", "/metrics")
SOURCES = ("web-1", "web-2", "web 3", "wëb+4%")


class World:
    """A gateway's state, its clock, and what the outside does to them."""

    def __init__(self) -> None:
        self.at = T0
        self.newest, self.active, self.registry = Newest(), ActiveAlerts(), Registry(T0)
        self.states: dict[str, State] = {"nats": "up", "postgres": "up", "redis": "up"}
        self.latency_s: float | None = None
        self.detail = ""
        self._told = 0

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return (self.at - T0).total_seconds()

    def reports(self) -> dict[str, DependencyReport]:
        return {
            name: DependencyReport(state, self.latency_s, self.detail, name == "redis")
            for name, state in self.states.items()
        }

    async def of(self, subject: str) -> SubjectHistory:
        return SubjectHistory(1000)

    async def publish_final(
        self, *, kind: str, group: str, source: str, after: datetime, interval_s: float
    ) -> None:
        """Nobody is told."""

    def sums(self, subject: Subject) -> Iterator[tuple[str, Accumulated]]:
        yield from ()

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.newest.listened(max(0.0, seconds))

    def measured(self, source: str, kind: str, *, final: bool = False) -> None:
        at = self.at.isoformat()
        said = {
            "source": source,
            "kind": kind,
            "at": at,
            "interval_s": 1,
            "gauges": {"g": 1.5},
            "final": final,
        }
        name = f"atalaia.metrics.{kind}.{token(source)}.{token(source)}.0"
        self.newest.take(name, json.dumps(said).encode(), self.at)

    def left(self, source: str) -> None:
        self.measured(source, "host", final=True)

    def alerted(self, alert_id: str, state: str, summary: str = "bad") -> None:
        self._told += 1
        said = known(self._told, state, alert_id)
        self.active.hear(said._replace(alert=said.alert.model_copy(update={"summary": summary})))

    def announced(self, service: str, detail: str) -> None:
        said = ServiceAnnouncement(
            service=service, instance="a", version="1", status="up", at=self.at, host="h", detail=detail
        )
        self.registry.hear(said, self.at)

    def applications(self) -> tuple[ASGIApp, ASGIApp]:
        """Return (with prepared answers, FastAPI alone), over this very state."""
        health = HealthHandlers(self.registry, self.active, self, self)
        metrics = MetricsHandlers(self.newest, NewestValues(self.newest), self, self, self.sums, self)
        router = APIRouter()
        health.register(router)
        metrics.register(router)
        app = FastAPI()
        problems.install(app)
        app.include_router(router)
        answers = {
            "/health": health.plain,
            "/health/detailed": health.plain_detailed,
            "/metrics": metrics.of_one_source,
        }
        return Prepared(app, answers, router.routes), app


async def asked(app: ASGIApp, method: str, path: str, query: bytes = b"") -> list[Message]:
    """Return what is sent in answer."""
    scope: Scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


CHANGES = st.one_of(
    st.tuples(st.just("passes"), st.sampled_from([0.001, 1.0, 6.5, 61.0, 700.0, -1.0])),
    st.tuples(st.just("measured"), st.sampled_from(SOURCES), st.sampled_from(["host", "app"])),
    st.tuples(st.just("left"), st.sampled_from(SOURCES)),
    st.tuples(st.just("alerted"), st.sampled_from("AB"), st.sampled_from(["firing", "resolved"])),
    st.tuples(st.just("announced"), st.sampled_from(["alerting", "api"]), st.sampled_from(["", "bad"])),
)
PARTS = (
    "source=web-1",
    "source=web%2D2",
    "source=web+3",
    "source=",
    "kind=host",
    "kind=",
    "name=g",
    "x=1",
    "",
)
QUERIES = st.one_of(
    st.just("source=web-1&kind=host"), st.lists(st.sampled_from(PARTS), max_size=3).map("&".join), st.text()
)


@given(
    st.lists(CHANGES, max_size=8),
    st.lists(st.tuples(st.sampled_from(PATHS), QUERIES), min_size=1, max_size=3),
)
def test_prepared_answers_are_those_of_fastapi(
    changes: list[tuple[str, *tuple[str | float, ...]]], questions: list[tuple[str, str]]
) -> None:
    world = World()
    prepared, plain = world.applications()

    async def compare() -> None:
        for path, query in questions:
            found = await asked(prepared, "GET", path, query.encode())
            assert found == await asked(plain, "GET", path, query.encode())

    asyncio.run(compare())
    for name, *arguments in changes:
        getattr(world, name)(*arguments)
        asyncio.run(compare())


@given(
    st.lists(CHANGES, max_size=6),
    st.lists(st.text(max_size=8), max_size=12),
    st.none() | st.floats(0, 1e9),
    st.text(max_size=8),
    st.text(max_size=8),
    st.integers(0, 2_000_000).map(lambda microseconds: microseconds / 1e6),
)
def test_health_in_detail_is_written_as_its_model_writes_it(
    changes: list[tuple[str, *tuple[str | float, ...]]],
    summaries: list[str],
    latency_s: float | None,
    detail: str,
    warning: str,
    passed_s: float,
) -> None:
    world = World()
    prepared, _ = world.applications()
    for name, *arguments in changes:
        getattr(world, name)(*arguments)
    for number, summary in enumerate(summaries):
        world.alerted(str(number), "firing", summary)
    world.latency_s, world.detail = latency_s, detail
    world.announced("collector", warning)
    world.passes(passed_s)
    body = asyncio.run(asked(prepared, "GET", "/health/detailed"))[1]["body"]
    assert body == DetailedHealthAnswer.model_validate_json(body).model_dump_json().encode()


async def test_other_methods_are_fastapis() -> None:
    prepared, plain = World().applications()
    for path in PATHS:
        for method in ("HEAD", "OPTIONS", "POST", "DELETE"):
            found = await asked(prepared, method, path)
            assert found[0]["status"] == 405
            assert found == await asked(plain, method, path)


async def test_each_change_is_seen_by_the_very_next_question() -> None:
    world = World()
    prepared, _ = world.applications()

    async def health() -> tuple[int, float]:
        start, body = await asked(prepared, "GET", "/health")
        return start["status"], json.loads(body["body"])["score"]

    async def reasons() -> list[str]:
        body = (await asked(prepared, "GET", "/health/detailed"))[1]["body"]
        return [one["reason"] for one in json.loads(body)["deductions"]]

    world.announced("alerting", "")
    world.announced("collector", "")
    assert await health() == (200, 100.0)
    world.states["redis"] = "down"
    assert await health() == (200, 95.0)
    world.alerted("A", "firing")
    assert await health() == (200, 85.0)
    assert await reasons() == ["error: bad", "redis is down"]
    world.alerted("A", "resolved")
    world.states["redis"] = "up"
    world.passes(6.0)
    assert await health() == (200, 100.0)
    world.passes(0.000001)
    assert await health() == (200, 40.0)
    assert await reasons() == ["no instance of alerting is up", "no instance of collector is up"]
    world.states["postgres"] = "down"
    assert await health() == (503, 0.0)


async def test_the_route_is_known_afterwards_as_from_fastapi() -> None:
    prepared, plain = World().applications()

    async def route(app: ASGIApp, query: bytes) -> object:
        seen: Scope = {}

        async def outside(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            seen.update(scope)

        await asked(outside, "GET", "/metrics", query)
        return seen["route"]

    answered = await route(prepared, b"source=web-1")
    assert isinstance(answered, Route) and answered.path == "/metrics"
    assert answered is await route(plain, b"source=web-1")
