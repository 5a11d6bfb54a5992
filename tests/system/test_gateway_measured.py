"""The gateway lives on what it offers: its own endpoints, counted exactly, judged by the stock rules."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.system.platform import Platform, Source, await_that

PREFIX = "/api/v1/monitoring"
HASTY = """
rules:
  - {name: slow-responses, window: 3s, for: 1s}
  - {name: errors, window: 3s, for: 1s}
  - {name: high-cpu, for: 0s}
"""
ROUTES = {  # by what is asked for: prepared answers, handlers, a template, root paths, none
    "/health": f"{PREFIX}/health",
    "/health?other=way": f"{PREFIX}/health",
    "/metrics?source=nobody&kind=host": f"{PREFIX}/metrics",
    "/metrics/no.such": f"{PREFIX}/metrics/{{metric_name}}",
    "/alerts/01JD0000000000000000000000": f"{PREFIX}/alerts/{{alert_id}}",
    "//livez": "/livez",
    "//asyncapi.json": "/asyncapi.json",
    "//nothing/here": "_unmatched",
}


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("measured")
    rules = folder / "rules.yaml"
    rules.write_text(HASTY)
    platform = Platform(folder / "data", ATALAIA_ALERTING_RULES=str(rules), ATALAIA_APP_INTERVAL_S="0.5")
    platform.start()
    yield platform
    assert platform.stop() == 0


def counted(platform: Platform) -> Counter[str]:
    _, answer = platform.get("/performance?service=atalaia-api&window_s=3600")
    return Counter({one["route"]: one["requests"] for one in answer["endpoints"]})


def test_every_endpoint_of_the_gateway_is_counted_under_its_template(own: Platform) -> None:
    before = counted(own)
    for path in ROUTES:
        for _ in range(5):
            own.get(path)
    expected = Counter(route for route in ROUTES.values() for _ in range(5))
    await_that(
        lambda: all((counted(own) - before)[route] >= n for route, n in expected.items()),
        what=f"{expected} beyond {before}",
    )
    asked = counted(own) - before
    assert {route: asked[route] for route in expected} == dict(expected)


@contextmanager
def frozen(platform: Platform, name: str) -> Iterator[None]:
    processes = [one for one in psutil.Process(platform.pid).children(recursive=True) if one.name() == name]
    assert processes
    for one in processes:
        one.suspend()
    try:
        yield
    finally:
        for one in reversed(processes):
            one.resume()


async def mark(platform: Platform) -> None:
    source = Source("atalaia-api")
    async with platform.nats() as client:
        await client.jetstream().publish(source.subject, source.body(0.99))


def rules_of_gateway(platform: Platform, state: str) -> set[str]:
    _, answer = platform.get(f"/alerts?state={state}&source=atalaia-api")
    return {one["rule"] for one in answer["alerts"]}


def test_the_gateway_is_not_in_error_because_postgres_is_away(own: Platform) -> None:
    away = 0

    def ask() -> bool:
        nonlocal away
        away += own.get("/health")[0] == 503
        return own.get("/health/detailed")[1]["dependencies"]["postgres"]["status"] == "down" and away > 40

    with frozen(own, "postgres"):
        await_that(ask, within_s=20, what="as many 503s as would fire")
        own.get("/alerts")
    await_that(lambda: own.get("/health")[0] == 200, what="Postgres again")
    asyncio.run(mark(own))  # in the same partition: what came before it has been judged when it fires
    await_that(lambda: rules_of_gateway(own, "firing"), within_s=20, what="the mark")
    states = ("pending", "firing", "resolved")
    assert {rule for state in states for rule in rules_of_gateway(own, state)} == {"high-cpu"}
    _, answer = own.get("/performance?service=atalaia-api")
    health = next(one for one in answer["endpoints"] if one["route"] == f"{PREFIX}/health")
    assert health["error_rate"] > 0.0
