"""The plan's three commands against the platform, and runs that the platform is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.loadgen.command import ROOT, Run, balanced, loadgen
from tests.system.platform import Platform, await_that

COMMANDS = {
    "users": (["--users", "20", "--requests", "10"], 200),
    "stress": (["--stress", "--max-users", "100", "--step", "2s"], None),
    "endurance": (["--endurance", "--duration", "3", "--rps", "50"], 150),
}
NAMES = ("sent", "rate", "avg", "min", "max", "p95", "p99", "success", "throughput", "latency")


@dataclass(frozen=True, slots=True)
class Told:
    """A run from the command line, and what the gateway knew of it within a second."""

    run: Run
    found: dict[str, Any]


async def told(platform: Platform, folder: Path, arguments: list[str]) -> Told:
    run = await loadgen(
        folder,
        *arguments,
        ATALAIA_HTTP_PORT=str(platform.http_port),
        ATALAIA_DATA_DIR=str(platform.data_dir),
    )

    def known() -> dict[str, Any] | None:
        return _finished(platform, run.result["run_id"])

    found = await asyncio.to_thread(await_that, known, within_s=1.0, what="the run at the gateway")
    return Told(run, found)


@pytest.fixture(scope="module")
def runs(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """The plan's three commands, which leave room for one another."""

    async def together() -> list[Told]:
        return await asyncio.gather(
            *(told(platform, tmp_path_factory.mktemp(name), line) for name, (line, _) in COMMANDS.items())
        )

    return dict(zip(COMMANDS, asyncio.run(together()), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_plans_commands(runs: dict[str, Told], command: str) -> None:
    number = COMMANDS[command][1]
    run, found = runs[command].run, runs[command].found
    assert run.code == 0, run
    assert all(name in run.stdout for name in NAMES), run
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert len(run.stdout.splitlines()) <= 24
    assert balanced(run.result), run
    assert run.result["success_rate"] >= 0.999, run
    assert number is None or run.result["sent"] == number
    assert 0 < run.result["generator"]["connections"] <= 100
    assert found["verdict"] == run.result["verdict"]
    assert found["result"]["response"] == run.result["response"]
    assert len(found["result"].get("steps", [])) == (8 if command == "stress" else 0)
    assert sum(window["sent"] for window in found["windows"]) == run.result["sent"]
    assert {series["metric"] for series in found["server"]} >= {"system.cpu.utilization"}


def _finished(platform: Platform, run_id: str) -> dict[str, Any] | None:
    status, answer = platform.get(f"/loadtests/{run_id}")
    return answer if status == 200 and answer["result"] else None


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that was asked for: what another request heard meanwhile, its events, and what came of it."""

    other_status: int
    events: list[dict[str, Any]]
    found: dict[str, Any]


@pytest.fixture(scope="module")
def asked(platform: Platform) -> Asked:
    body = {"rps": 80, "duration_s": 1.5, "slo": ["error_rate<1%"], "instances": 3}

    async def heard() -> tuple[int, list[dict[str, Any]]]:
        async with platform.nats("ATALAIA_SUBSCRIBER_URL") as client:
            subscription = await client.subscribe("atalaia.loadtests.>")
            await client.flush()
            status, answer = await asyncio.to_thread(platform.request, "POST", "/loadtests", body)
            assert status == 202, answer
            other, _ = await asyncio.to_thread(
                platform.request, "POST", "/loadtests", {"users": 1, "requests": 1}
            )
            events: list[dict[str, Any]] = []
            while not events or events[-1]["event"] != "finished":
                event = json.loads((await subscription.next_msg(timeout=10)).data)
                events += [event] if event["run_id"] == answer["run_id"] else []
            return other, events

    other, events = asyncio.run(heard())
    run_id = events[-1]["run_id"]
    return Asked(other, events, await_that(lambda: _finished(platform, run_id), what="the run"))


def test_a_run_that_is_asked_for(asked: Asked) -> None:
    result = asked.found["result"]
    assert (result["sent"], result["slo"][0]["pass"]) == (120, True)
    assert len(asked.found["windows"]) >= 2
    assert result["generator"]["ceiling_per_core"] > 1000
    assert result["generator"]["floor"]["p50_s"] > 0


def test_one_run_at_a_time(asked: Asked) -> None:
    assert asked.other_status == 409


def test_started_and_windows_are_heard_while_it_runs(asked: Asked) -> None:
    assert [event["event"] for event in asked.events[:2]] == ["started", "window"]
    windows = [event for event in asked.events if event["event"] == "window"]
    assert [window["index"] for window in windows] == list(range(len(windows)))
    counted = sum(sum(window["histograms"]["response"]["counts"]) for window in windows)
    assert counted == asked.events[-1]["response"]["count"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"url": "http://192.0.2.1/", "users": 1, "requests": 1}, 403, "url"),
        ({"url": "http://evil.example/", "rps": 1, "duration_s": 1}, 403, "url"),
        ({"users": 1, "requests": 1, "allowed_hosts": ["evil.example"]}, 422, "allowed_hosts"),
        ({"users": 1, "rps": 1}, 422, "users"),
        ({"rps": 999_999, "duration_s": 1}, 403, "rps"),
        ({"rps": 1, "duration_s": 99_999}, 403, "duration_s"),
        ({"rps": 1}, 422, "duration_s"),
        ({"users": 9999}, 403, "users"),
        ({}, 422, "users"),
    ],
)
def test_what_a_request_may_not_ask_for(
    platform: Platform, body: dict[str, object], status: int, field: str
) -> None:
    got, answer = platform.request("POST", "/loadtests", body)
    assert (got, [error["field"] for error in answer["errors"]]) == (status, [field])


@contextlib.contextmanager
def instance(platform: Platform, name: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**platform.environment, **platform.urls(), "ATALAIA_INSTANCE": name}
    child = subprocess.Popen(
        [sys.executable, "-m", "services.loadgen"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(10)


def up(platform: Platform, name: str) -> bool:
    services = platform.get("/health/detailed")[1]["services"]
    return any(one["instance"] == name and one["status"] == "up" for one in services)


def test_a_target_that_refuses_is_a_result_too(platform: Platform) -> None:
    closed = "http://127.0.0.1:1/"
    status, answer = platform.request("POST", "/loadtests", {"url": closed, "users": 2, "requests": 2})
    assert status == 202
    found = await_that(lambda: _finished(platform, answer["run_id"]), what="the run")
    assert (found["result"]["errors"], found["result"]["connection_errors"]) == ({"refused": 4}, 4)


async def test_once_a_run_is_told_as_finished_the_next_is_taken(platform: Platform) -> None:
    async with platform.nats("ATALAIA_SUBSCRIBER_URL") as client:
        finished = await client.subscribe("atalaia.loadtests.*.finished")
        await client.flush()
        for _ in range(3):
            status, answer = await asyncio.to_thread(
                platform.request, "POST", "/loadtests", {"users": 1, "requests": 1}
            )
            assert status == 202, answer
            await finished.next_msg(timeout=20)


def test_a_run_that_is_ended_early_says_that_it_was(platform: Platform) -> None:
    _, answer = platform.request("POST", "/loadtests", {"rps": 20, "duration_s": 20})
    path = f"/loadtests/{answer['run_id']}"
    await_that(lambda: platform.get(path)[1].get("windows"), what="the first window")
    assert platform.request("DELETE", path)[0] == 202
    found = await_that(lambda: _finished(platform, answer["run_id"]), what="the end")
    assert found["state"] == "interrupted"
    assert platform.request("DELETE", path)[0] == 404


def test_instances_share_one_run(platform: Platform) -> None:
    with instance(platform, "second-loadgen"):
        await_that(lambda: up(platform, "second-loadgen"), what="the second instance")
        _, answer = platform.request("POST", "/loadtests", {"rps": 200, "duration_s": 1, "instances": 2})
        found = await_that(lambda: _finished(platform, answer["run_id"]), what="the run")
    assert found["result"]["sent"] == 200
    assert found["result"]["generator"]["workers"] == 2
    assert found["result"]["generator"]["ceiling_per_core"] > 1000
    assert found["verdict"]["measurement"] != "invalid" or "lost" not in str(found["verdict"])


@pytest.mark.long
async def test_an_instance_that_is_killed_in_the_middle_is_missed_by_name(platform: Platform) -> None:
    with instance(platform, "doomed-loadgen") as doomed:
        await asyncio.to_thread(await_that, lambda: up(platform, "doomed-loadgen"), what="the instance")
        run_id = await _led_by_another(platform, "doomed-loadgen")
        os.kill(doomed.pid, signal.SIGKILL)
        found = await_that(lambda: _finished(platform, run_id), within_s=20, what="the run")
    assert found["verdict"]["measurement"] == "invalid"
    assert any("lost: doomed-loadgen" in reason for reason in found["verdict"]["reasons"]), found["verdict"]


async def _led_by_another(platform: Platform, doomed: str) -> str:
    """Ask for runs until another instance than the doomed leads one: whose turn it is, the broker chooses."""
    async with platform.nats("ATALAIA_SUBSCRIBER_URL") as client:
        subscription = await client.subscribe("atalaia.loadtests.*.started")
        await client.flush()
        while True:
            status, answer = await asyncio.to_thread(
                platform.request, "POST", "/loadtests", {"rps": 50, "duration_s": 3, "instances": 2}
            )
            if status != 202:
                await asyncio.sleep(0.2)
                continue
            started = json.loads((await subscription.next_msg(timeout=5)).data)
            if started["instances"][0] != doomed:
                return str(answer["run_id"])
