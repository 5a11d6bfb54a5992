"""The gateway's HTTP, searched for answers that its own document does not allow."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any
from unittest import SkipTest

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.system.platform import Platform, Source, await_that


def test_nothing_contradicts_the_openapi_document(platform: Platform) -> None:
    base = f"http://127.0.0.1:{platform.http_port}"
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json", config=_config())
    tried: set[str] = set()
    without_end = schema.exclude(path_regex="/stream$")  # its own tests are in test_stream.py
    for result in without_end.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def allowed(case: Any) -> None:
            case.call_and_validate(base_url=base, excluded_checks=_not_for(case.operation.label))

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def not_allowed(case: Any) -> None:
            case.call_and_validate(base_url=base)

        allowed()
        with contextlib.suppress(Unsatisfiable, SkipTest):  # nothing could be wrong with it
            not_allowed()
        tried.add(operation.label)
    assert len(tried) >= 16
    for run in platform.get("/loadtests")[1]["loadtests"]:  # what it asked for and is going on
        platform.request("DELETE", f"/loadtests/{run['run_id']}")


def _config() -> SchemathesisConfig:
    config = SchemathesisConfig()
    rejection = config.projects.default.checks.negative_data_rejection
    # what is wrong may be too large beside it, and is refused for that
    rejection.expected_statuses = [*rejection.expected_statuses, "413"]
    return config


def _not_for(label: str) -> list[Any]:
    # whether a pattern is one, or an end lies ahead, is beyond what a schema can say
    return [positive_data_acceptance] if label.endswith(("/silences", "/silences/preview")) else []


def raw(
    platform: Platform, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/problem+json"
        found: dict[str, object] = json.loads(answer.read())
        return answer.status, found
    finally:
        connection.close()


RESOLVE = "/api/v1/monitoring/alerts/01JUNKNOWN0000000000000000/resolve"


def test_an_oversized_body_is_refused(platform: Platform) -> None:
    status, answer = raw(platform, "POST", RESOLVE, b"x" * 70_000)
    assert (status, answer["status"]) == (413, 413)


def test_a_body_that_is_not_json_is_refused_with_its_place(platform: Platform) -> None:
    for body in (b"{", b"[]", b'{"by": 7}', b'{"who": "ana"}', b'{"by": ""}'):
        status, answer = raw(platform, "POST", RESOLVE, body, **{"content-type": "application/json"})
        assert status == 422, body
        assert answer["errors"], body


def test_hosts_that_are_known_and_those_that_are_not(platform: Platform) -> None:
    for host in ("127.0.0.1:8000", "localhost", "[::1]:80", "192.168.1.7"):
        assert platform.request("GET", "/health", Host=host)[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example"):
        assert platform.request("GET", "/health", Host=host)[0] == 403
    for path in ("//livez", "//readyz", "//metrics"):
        assert platform.request("GET", path, Host="evil.example")[0] == 200


def test_origins_that_may_write_and_those_that_may_not(platform: Platform) -> None:
    own = f"http://127.0.0.1:{platform.http_port}"
    assert platform.request("POST", "/cache/clear", Origin=own)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "http://[", ""):
        assert platform.request("POST", "/cache/clear", Origin=origin)[0] == 403, origin


async def test_alerts_come_in_pages(platform: Platform) -> None:
    names = [f"paged-{n}" for n in range(5)]
    async with platform.nats() as publisher:
        for name in names:
            source = Source(name)
            for body in source.bodies(*[0.99] * 8):
                await publisher.publish(source.subject, body)
        await publisher.flush()

    def listed() -> list[str] | None:
        found, cursor = [], ""
        while True:
            _, page = platform.get(f"/alerts?limit=2{cursor}")
            found += [alert["source"] for alert in page["alerts"]]
            if page["next_cursor"] is None:
                return found if set(names) <= set(found) else None
            cursor = f"&cursor={page['next_cursor']}"

    found = await_that(listed, what="five alerts")
    assert len(found) == len(set(found))
    async with platform.nats() as publisher:
        for name in names:
            source = Source(name)
            await publisher.publish(source.subject, source.body(0.1, after_s=299))


async def test_a_source_that_repeats_itself_has_each_point_once(platform: Platform) -> None:
    source = Source("repeats", series="some.gauge")
    async with platform.nats() as publisher:
        bodies = list(source.bodies(1.0, 2.0, 3.0))
        for body in (*bodies, *reversed(bodies), b"", bodies[0]):
            await publisher.publish(source.subject, body)
        await publisher.flush()

    def points() -> list[float] | None:
        status, answer = platform.get("/metrics/some.gauge?source=repeats")
        return [value for _, value in answer["series"][0]["points"]] if status == 200 else None

    assert await_that(lambda: (seen := points()) == [1.0, 2.0, 3.0] and seen, what="three points")


async def test_a_prepared_answer_is_the_one_that_fastapi_gives(platform: Platform) -> None:
    source = Source("both-ways")
    async with platform.nats() as publisher:
        await publisher.publish(source.subject, source.body(0.5))
        await publisher.flush()
    _, found = await_that(
        lambda: (seen := platform.get("/metrics?source=both-ways"))[1]["sources"] and seen, what="the source"
    )
    assert found == platform.get("/metrics?kind=host&source=both-ways")[1]
    assert platform.get("/metrics?source=both-ways&source=both-ways&kind=host")[1] == found
