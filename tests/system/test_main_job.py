"""The main job, from outside: `python -m services`, a plain NATS client and HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.system.platform import Platform, Source, await_that

BREACH = [0.99] * 8  # ten seconds apart: longer than the 60 s of `high-cpu`


class Listener:
    """What a subscriber with the read-only user hears."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen(self, source: str) -> Listener:
        async def hear(message: Msg) -> None:
            self._heard.put_nowait(json.loads(message.data))

        await self._client.subscribe(f"atalaia.alerts.*.{source}", cb=hear)
        await self._client.flush()
        return self

    async def next(self, within_s: float = 5.0) -> dict[str, Any]:
        return await asyncio.wait_for(self._heard.get(), within_s)

    def quiet(self) -> bool:
        return self._heard.empty()


async def test_the_first_host_batch_is_there_within_two_seconds(platform: Platform) -> None:
    def host() -> list[dict[str, Any]]:
        _, answer = platform.get(f"/metrics?kind=host&source={socket.gethostname()}")
        return list(answer["sources"])

    (source,) = await_that(host, within_s=2, what="the host's batch")
    assert len(source["gauges"]) + len(source["counters"]) >= 40
    assert 0 <= source["gauges"]["system.cpu.utilization"] <= 1
    assert 0 < source["gauges"]["system.memory.utilization"] < 1


async def test_bad_values_fire_and_a_good_one_resolves(platform: Platform) -> None:
    source = Source("fires")
    async with platform.nats("ATALAIA_SUBSCRIBER_URL") as subscriber, platform.nats() as publisher:
        listener = await Listener(subscriber).listen(source.name)
        for body in source.bodies(*BREACH):
            await publisher.publish(source.subject, body)
        severities = []
        event = await listener.next(1.0)
        first = event
        while event["severity"] != "critical":
            severities.append(event["severity"])
            event = await listener.next(1.0)
        assert first["transition"] == "fired"
        assert event["alert_id"] == first["alert_id"]
        _, answer = platform.get(f"/alerts?source={source.name}")
        assert [(alert["alert_id"], alert["severity"], alert["state"]) for alert in answer["alerts"]] == [
            (first["alert_id"], "critical", "firing")
        ]
        await publisher.publish(source.subject, source.body(0.1))
        resolved = await listener.next(1.0)
        assert (resolved["transition"], resolved["alert_id"]) == ("resolved", first["alert_id"])
        assert resolved["resolved_by"] == "recovery"
        assert platform.get(f"/alerts?source={source.name}")[1]["alerts"] == []
        _, one = platform.get(f"/alerts/{first['alert_id']}")
        assert one["state"] == "resolved"
        assert next(entry["transition"] for entry in one["timeline"]) == "fired"


async def test_resolved_by_hand_fires_again_only_after_a_good_value(platform: Platform) -> None:
    source = Source("by-hand")
    async with platform.nats("ATALAIA_SUBSCRIBER_URL") as subscriber, platform.nats() as publisher:
        listener = await Listener(subscriber).listen(source.name)
        for body in source.bodies(*BREACH):
            await publisher.publish(source.subject, body)
        event = await listener.next()
        while event["severity"] != "critical":
            event = await listener.next()
        path = f"/alerts/{event['alert_id']}/resolve"
        assert platform.request("POST", path, {"by": "ana"})[0] == 200
        assert platform.request("POST", path)[0] == 409
        assert (await listener.next())["resolved_by"] == "ana"
        for body in source.bodies(*BREACH):
            await publisher.publish(source.subject, body)
        await asyncio.sleep(0.5)  # nothing is to happen: there is no effect to await
        assert listener.quiet()
        for body in source.bodies(0.1, *BREACH):
            await publisher.publish(source.subject, body)
        again = await listener.next()
        assert again["transition"] == "fired"
        assert again["alert_id"] != event["alert_id"]
        assert platform.request("POST", "/alerts/01JUNKNOWN0000000000000000/resolve")[0] == 404


async def test_what_nobody_can_process_is_a_dead_letter_and_disturbs_nobody(platform: Platform) -> None:
    source = Source("beside-the-dead")
    async with platform.nats() as publisher:
        jetstream = publisher.jetstream()
        before = (await jetstream.stream_info("ATALAIA_DEAD")).state.messages
        subscription = await jetstream.pull_subscribe("atalaia.dead.alerting", stream="ATALAIA_DEAD")
        for body in source.bodies(*BREACH):
            await publisher.publish(source.subject, b"{not json")
            await publisher.publish(source.subject, body)
        await publisher.flush()
        _, answer = await_that(
            lambda: (seen := platform.get(f"/alerts?source={source.name}"))[1]["alerts"] and seen,
            what="the alert",
        )
        assert len(answer["alerts"]) == 1
        dead = await subscription.fetch(before + 1, timeout=5)
        headers = {name.lower(): value for name, value in (dead[-1].headers or {}).items()}
        assert any(source.subject in value for value in headers.values())


def test_every_row_of_the_contract_answers(platform: Platform) -> None:
    rows = {
        "/health": {"status", "score", "at"},
        "/health/detailed": {"status", "score", "at", "deductions", "dependencies", "services"},
        "/metrics": {"sources"},
        "/metrics/system.cpu.utilization": {"metric", "unit", "type", "series"},
        "/metrics/system.cpu.time?limit=10": {"metric", "unit", "type", "series"},
        "/performance": {"window_s", "covered_s", "endpoints"},
        "/alerts?state=resolved": {"alerts", "next_cursor"},
        "/cache/status": {
            "available",
            "backend",
            "hits",
            "misses",
            "hit_ratio",
            "keys",
            "memory_bytes",
            "mean_latency_s",
        },
        "/system/info": set(),
        "/loadtests": {"loadtests", "next_cursor"},
    }
    for path, fields in rows.items():
        status, answer = platform.get(path)
        assert status == 200, (path, answer)
        assert fields <= set(answer), path
    cleared = platform.request("POST", "/cache/clear")[1]
    assert cleared in ({"cleared": 0}, {"cleared": 1})  # the answer of /performance, while it is kept
    for path in ("//livez", "//readyz", "//metrics", "//docs", "//openapi.json", "//asyncapi.json"):
        assert platform.get(path)[0] == 200, path
    detailed = platform.get("/health/detailed")[1]
    assert {service["service"] for service in detailed["services"]} == {
        "collector",
        "alerting",
        "api",
        "loadgen",
    }
    assert {service["status"] for service in detailed["services"]} == {"up"}
    assert round(100 - sum(entry["points"] for entry in detailed["deductions"]), 6) == detailed["score"]


def test_a_source_that_is_deleted_has_left(platform: Platform) -> None:
    assert platform.request("DELETE", "/sources/never-seen")[0] == 404
    await_that(lambda: platform.get("/metrics?source=fires")[1]["sources"], what="the source")
    assert platform.request("DELETE", "/sources/fires") == (202, {"subjects": 1})
    await_that(lambda: not platform.get("/metrics?source=fires")[1]["sources"], what="its leaving")


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/metrics/no.such.metric", 404, None),
        ("GET", "/alerts?limit=-1", 422, "limit"),
        ("GET", "/alerts?limit=many", 422, "limit"),
        ("GET", "/alerts?cursor=nonsense", 422, "cursor"),
        ("GET", "/alerts?state=bad", 422, "state"),
        ("GET", "/performance?window_s=-5", 422, "window_s"),
        ("PUT", "/alerts", 405, None),
        ("GET", "/nothing-here", 404, None),
    ],
)
def test_a_bad_request_is_a_problem_with_the_field_named(
    platform: Platform, method: str, path: str, status: int, field: str | None
) -> None:
    got, answer = platform.request(method, path)
    assert got == status
    assert answer["status"] == status
    if field:
        assert [error["field"] for error in answer["errors"]] == [field]


def test_a_foreign_page_may_not_write(platform: Platform) -> None:
    assert platform.request("POST", "/cache/clear", Origin="http://evil.example")[0] == 403
    assert platform.request("GET", "/health", Host="evil.example")[0] == 403


async def test_killed_whole_it_comes_back_with_its_history_and_its_alerts(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    platform.start()
    source = Source("survives")
    async with platform.nats() as publisher:
        for body in source.bodies(*BREACH):
            await publisher.publish(source.subject, body)
        await publisher.flush()

        def state() -> tuple[Any, Any]:
            _, alerts = platform.get(f"/alerts?source={source.name}")
            _, history = platform.get(f"/metrics/{source.series}?source={source.name}")
            return alerts["alerts"], history

        def critical() -> tuple[Any, Any] | None:
            seen = state()
            return seen if seen[0] and seen[0][0]["severity"] == "critical" else None

        before = await_that(critical, what="the alert")
    platform.kill_tree()
    platform.start()
    assert await_that(lambda: state() if state()[0] else None, what="the alert") == before
    assert platform.stop() == 0


def test_the_parent_killed_leaves_nothing_running(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    platform.start()
    assert platform.stop(number=signal.SIGKILL) == -signal.SIGKILL
