"""The live stream, on the real platform: what comes, in which order, and who pays for the slow."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
from nats.aio.client import Client

from tests.system.listening import Event, Listener
from tests.system.platform import Platform, Source, await_that

READERS = 1000


@contextlib.asynccontextmanager
async def listening(platform: Platform, query: str = "", *, last_id: str = "") -> AsyncIterator[Listener]:
    listener = await Listener.open(platform.http_port, query, last_id=last_id)
    try:
        yield listener
    finally:
        await listener.close()


async def fire(client: Client, source: Source, *, values: int = 8) -> None:
    """Publish values that a stock rule fires for."""
    for body in source.bodies(*[0.99] * values):
        await client.publish(source.subject, body)
    await client.flush()


async def calm(client: Client, source: Source) -> None:
    await client.publish(source.subject, source.body(0.1))
    await client.flush()


def says(topic: str, source: str, state: str) -> Callable[[Event], bool]:
    def holds(event: Event) -> bool:
        found = event.data.get("alerts", ()) if event.topic == topic else ()
        return any((one["source"], one["state"]) == (source, state) for one in found)

    return holds


async def test_health_is_said_at_once_and_again_when_an_alert_costs_some(platform: Platform) -> None:
    source = Source("stream-health")
    async with listening(platform, "topics=health") as listener, platform.nats() as client:
        first = await listener.next()
        assert first.data["snapshot"] and first.data["dependencies"]["nats"]["status"] == "up"
        await fire(client, source)
        events = await listener.until(
            lambda event: any("stream-health" in one["reason"] for one in event.data["deductions"])
        )
        await calm(client, source)
    assert not events[-1].data["snapshot"]


def ids_of(said: dict[str, Any], source: Source) -> list[str]:
    """Return the alerts of a source; others of the platform's may come beside them."""
    return [one["alert_id"] for one in said["alerts"] if one["source"] == source.name]


async def test_an_alert_comes_as_it_fires_and_as_it_resolves_with_the_fields_of_the_list(
    platform: Platform,
) -> None:
    source = Source("stream-alert")
    async with listening(platform, "topics=alerts") as listener, platform.nats() as client:
        assert (await listener.next()).data["snapshot"]
        await fire(client, source)
        fired = (await listener.until(says("alerts", source.name, "firing")))[-1].data
        _, listed = platform.get(f"/alerts?source={source.name}")
        assert fired["alerts"][0].keys() == listed["alerts"][0].keys()
        await calm(client, source)
        resolved = (await listener.until(says("alerts", source.name, "resolved")))[-1].data
    assert (fired["snapshot"], fired["complete"]) == (False, True)
    assert ids_of(resolved, source) == ids_of(fired, source)


async def test_a_pending_alert_that_comes_to_nothing_comes_and_goes(platform: Platform) -> None:
    source = Source("stream-pending")
    async with listening(platform, "topics=alerts") as listener, platform.nats() as client:
        await fire(client, source, values=2)
        found = (await listener.until(says("alerts", source.name, "pending")))[-1].data["alerts"]
        pending = next(one["alert_id"] for one in found if one["source"] == source.name)
        await calm(client, source)
        await listener.until(lambda event: pending in event.data.get("gone", ()))


async def test_a_source_comes_with_its_values_and_goes_when_it_leaves(platform: Platform) -> None:
    source = Source("stream-source", series="a.gauge")
    async with listening(platform, f"topics=metrics&source={source.name}") as listener:
        assert (await listener.next()).data == {"snapshot": True, "sources": []}
        async with platform.nats() as client:
            await client.publish(source.subject, source.body(0.5))
            came = (await listener.next()).data
            platform.request("DELETE", f"/sources/{source.name}")
            left = (await listener.next()).data
    assert came["sources"][0]["gauges"] == {"a.gauge": 0.5}
    assert (left["sources"], left["gone"]) == ([], [{"source": source.name, "kind": "host"}])


async def test_points_come_as_they_are_measured(platform: Platform) -> None:
    source = Source("stream-points", series="a.gauge")
    query = f"topics=points&metric=a.gauge&source={source.name}"
    async with listening(platform, query) as listener, platform.nats() as client:
        assert (await listener.next()).data == {"snapshot": True, "metrics": []}
        values = await points(listener, client, source, 1.0, 2.0, 3.0)
    _, history = platform.get(f"/metrics/a.gauge?source={source.name}")
    assert values == history["series"][0]["points"]


async def points(listener: Listener, client: Client, source: Source, *values: float) -> list[list[float]]:
    """Publish, and return the points that come of it, in the order in which they come."""
    for body in source.bodies(*values):
        await client.publish(source.subject, body)
    await client.flush()
    return await received(listener, len(values))


async def received(listener: Listener, count: int) -> list[list[float]]:
    found: list[list[float]] = []
    while len(found) < count:
        for metric in (await listener.next("points")).data["metrics"]:
            found += [point for series in metric["series"] for point in series["points"]]
    return found


async def test_performance_comes_when_an_application_says_something(platform: Platform) -> None:
    async with listening(platform, "topics=performance") as listener:
        assert (await listener.next()).data["snapshot"]
        platform.get("/health")  # the gateway measures itself
        event = await listener.next(within_s=30)
    assert not event.data["snapshot"]
    assert {"window_s", "covered_s", "endpoints"} < event.data.keys()


async def test_a_load_test_comes_with_its_windows_and_its_end(platform: Platform) -> None:
    async with listening(platform, "topics=loadtests") as listener:
        assert (await listener.next()).data["snapshot"]
        _, accepted = platform.request("POST", "/loadtests", {"rps": 20, "duration_s": 2})
        run_id = accepted["run_id"]
        events = await listener.until(
            lambda event: any(
                run["run_id"] == run_id and run["state"] != "running" for run in event.data["loadtests"]
            ),
            within_s=30,
        )
    windows = [one for event in events for one in event.data.get("windows", {}).get(run_id, ())]
    _, run = platform.get(f"/loadtests/{run_id}")
    assert [one["index"] for one in windows] == [one["index"] for one in run["windows"]]


async def test_a_reader_that_comes_back_misses_nothing_and_gets_nothing_twice(platform: Platform) -> None:
    source = Source("stream-back", series="a.gauge")
    query = f"topics=metrics,points&metric=a.gauge&source={source.name}"
    async with platform.nats() as client:
        async with listening(platform, query) as listener:
            before = await points(listener, client, source, 1.0, 2.0)
            last_id = listener.last_id
        await client.publish(source.subject, source.body(3.0))
        await client.flush()
        async with listening(platform, query, last_id=last_id) as listener:
            after = await points(listener, client, source, 4.0, 5.0)
            after += await received(listener, 3 - len(after))
    assert [value for _, value in before + after] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("last_id", ["", "garbage", "0.0.00000000.h1", "a" * 1000, "ff.ff.ffffffff.h1.q2"])
async def test_an_id_of_somebody_else_s_is_a_first_visit(platform: Platform, last_id: str) -> None:
    async with listening(platform, "topics=health", last_id=last_id) as listener:
        assert (await listener.next()).data["snapshot"]


async def test_an_alert_reaches_a_thousand_readers(platform: Platform) -> None:
    source = Source("stream-many")
    port = platform.http_port
    readers = await asyncio.gather(*(Listener.open(port, "topics=alerts") for _ in range(READERS)))
    async with platform.nats() as client:
        await asyncio.gather(*(one.next() for one in readers))
        await fire(client, source)
        told = await asyncio.gather(
            *(one.until(says("alerts", source.name, "firing"), within_s=30) for one in readers)
        )
        await calm(client, source)
    assert len(told) == READERS
    await asyncio.gather(*(one.close() for one in readers))


async def test_a_reader_that_does_not_read_gets_the_newest_state_and_costs_no_memory(
    platform: Platform,
) -> None:
    source = Source("stream-slow", series="a.gauge")
    slow = await Listener.open(platform.http_port, f"topics=metrics&source={source.name}", receive_bytes=4096)
    gateway = psutil.Process(platform.child("services.api").pid)
    ballast = {f"a.gauge.{n:05}": 0.5 for n in range(5000)}
    async with platform.nats() as client:
        await publish_large(client, source, ballast, 0.0)
        before_bytes = gateway.memory_info().rss
        for value in range(1, 100):
            await publish_large(client, source, ballast, float(value))
        await_that(lambda: newest(platform, source) == 99.0, what="the last message")
        grown_bytes = gateway.memory_info().rss - before_bytes
        events = await slow.until(
            lambda event: any(one["gauges"]["a.gauge"] == 99.0 for one in event.data["sources"])
        )
    await slow.close()
    assert len(events) < 50
    assert grown_bytes < 60 * 2**20


async def publish_large(client: Client, source: Source, ballast: dict[str, float], value: float) -> None:
    body = json.loads(source.body(value, after_s=0.5))
    body["gauges"] |= ballast
    await client.publish(source.subject, json.dumps(body).encode())
    await client.flush()
    await asyncio.sleep(0.02)


def newest(platform: Platform, source: Source) -> float | None:
    found = platform.get(f"/metrics?source={source.name}&name=a.gauge")[1]["sources"]
    value: float | None = found[0]["gauges"]["a.gauge"] if found else None
    return value


def test_a_question_that_cannot_be_answered_says_what_can(platform: Platform) -> None:
    for query, field in (
        ("topics=cats", "topics"),
        ("topics=", "topics"),
        ("topics=health,,alerts", "topics"),
        ("topics=points", "metric"),
        ("topics=points&metric=m&label=novalue", "label.0"),
    ):
        status, answer = platform.get(f"/stream?{query}")
        assert (status, answer["errors"][0]["field"]) == (422, field), query
    assert "health, alerts, metrics, points" in platform.get("/stream?topics=cats")[1]["detail"]


def test_a_foreign_page_gets_no_stream(platform: Platform) -> None:
    assert platform.request("GET", "/stream", Host="evil.example")[0] == 403
    assert platform.request("GET", "/stream", Origin="http://evil.example")[0] == 403


async def test_a_page_of_its_own_gets_a_stream(platform: Platform) -> None:
    own = f"http://127.0.0.1:{platform.http_port}"
    listener = await Listener.open(platform.http_port, "topics=health", origin=own)
    assert (await listener.next()).topic == "health"
    await listener.close()


async def test_a_stream_is_measured_by_its_beginning(platform: Platform) -> None:
    async with listening(platform, "topics=health") as listener:
        await listener.next()

        def measured() -> object:
            _, answer = platform.get(
                "/metrics/http.server.request.duration?group=atalaia-api"
                "&label=http.route=/api/v1/monitoring/stream&label=http.response.status_code=200"
            )
            return [point for one in answer.get("series", ()) for point in one["points"]]

        assert await_that(measured, within_s=30, what="the stream among the measured requests")
