"""`docker compose up` on a machine that has Docker and this clone, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import psutil
import pytest

from tests.containers.compose import SERVICES, Compose, docker, health_of, inspect
from tests.system.platform import await_that
from tests.system.storm.books import NOW

RELIEVED_WITHIN_S = 10.0
SOURCES = [f"boxed-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def scaled(plain: Compose) -> Iterator[Compose]:
    """The same with three replicas of alerting and two gateways."""
    plain("up", "--detach", "--wait", "--scale", "alerting=3", "--scale", "api=2")
    yield plain


async def publish(compose: Compose, value: float) -> None:
    """Let each source say one value now."""
    async with compose.nats() as client:
        for source in SOURCES:
            body = {"source": source, "kind": "storm", "at": datetime.now(UTC).isoformat(), "interval_s": 1.0}
            body |= {"gauges": {"storm.value": value}}
            subject = f"atalaia.metrics.storm.{source}.{source}"
            await client.jetstream().publish(subject, json.dumps(body).encode(), timeout=5)


def listed(compose: Compose, state: str) -> list[str]:
    _, _, answer = compose.get(f"/alerts?rule={NOW}&state={state}&limit=500")
    return [alert["source"] for alert in answer["alerts"]]


async def await_listed(compose: Compose, state: str, count: int, *, within_s: float = 20) -> None:
    await asyncio.to_thread(
        await_that,
        lambda: len(listed(compose, state)) == count,
        within_s=within_s,
        what=f"{count} alerts that are {state}",
    )


async def holders(database: asyncpg.Connection[asyncpg.Record]) -> Counter[str]:
    rows = await database.fetch("SELECT holder FROM partitions WHERE holder IS NOT NULL")
    return Counter(row["holder"] for row in rows)


async def await_holders(
    database: asyncpg.Connection[asyncpg.Record], count: int, *, without: str = "", within_s: float = 40
) -> Counter[str]:
    """Wait until all partitions are shared by so many replicas, none of which is `without`."""
    async with asyncio.timeout(within_s):
        while True:
            found = await holders(database)
            names = [name for name in found if not without or not name.startswith(without)]
            if found.total() == 64 and len(names) == len(found) == count:
                return found
            await asyncio.sleep(0.1)


def test_everything_is_healthy_and_the_gateway_answers(plain: Compose) -> None:
    assert {health_of(one) for one in plain.containers()} == {"healthy"}
    status, _, answer = plain.get("/health/detailed")
    assert status == 200
    assert {name: one["status"] for name, one in answer["dependencies"].items()} == {
        "nats": "up",
        "postgres": "up",
        "redis": "up",
    }
    assert {one["service"] for one in answer["services"]} == set(SERVICES)


def test_nothing_is_published_but_the_gateway_and_that_on_loopback(plain: Compose) -> None:
    published = {
        (inspect(one)["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"])
        for one in plain.containers()
        for bindings in inspect(one)["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {("api", "127.0.0.1")}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_few_rights_and_no_password_in_its_environment(plain: Compose, service: str) -> None:
    seen = inspect(plain.one(service))
    assert seen["Config"]["User"] == "10001:10001"
    assert seen["HostConfig"]["ReadonlyRootfs"] is True
    assert seen["HostConfig"]["CapDrop"] == ["ALL"]
    assert seen["HostConfig"]["Privileged"] is False
    password = plain.setting(service, "NATS_URL").partition("://")[2].partition("@")[0].partition(":")[2]
    assert len(password) > 20
    assert password not in json.dumps(seen["Config"]["Env"])


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_at_most_120_mb_beyond_its_base(plain: Compose, service: str) -> None:
    base = int(docker("image", "inspect", "--format", "{{.Size}}", "python:3.11-slim"))
    image = inspect(plain.one(service))["Image"]
    beyond = int(docker("image", "inspect", "--format", "{{.Size}}", image)) - base
    print(f"\n{service}: {beyond / 1e6:.0f} MB beyond its base")
    assert beyond <= 120e6


def test_an_image_holds_only_its_own_service(plain: Compose) -> None:
    for service in SERVICES:
        inside = docker("exec", plain.one(service), "ls", "/app/services").split()
        assert set(inside) - {"__init__.py", "__pycache__"} == {service}


def test_what_is_measured_is_the_machine_and_its_containers_apart(plain: Compose) -> None:
    def host() -> dict[str, float] | None:
        _, _, answer = plain.get("/metrics?kind=host")
        found = [one for one in answer["sources"] if one["source"] == socket.gethostname()]
        return {**found[0]["gauges"], **found[0]["counters"]} if found else None

    series = await_that(host, within_s=15, what="the machine itself")
    assert series["system.memory.limit"] == psutil.virtual_memory().total
    interfaces = {name for name in series if name.startswith("system.network.io{")}
    assert any('"docker0"' in name for name in interfaces), "the container's own interfaces"
    assert 'system.filesystem.utilization{system.filesystem.mountpoint="/"}' in series
    for service in SERVICES:
        mine = f'container.id="{plain.one(service)[:12]}"'
        names = {name.partition("{")[0] for name in series if mine in name}
        assert {
            "container.cpu.time",
            "container.cpu.throttling_data.throttled_time",
            "container.memory.utilization",
            "container.memory.oom_kills",
        } <= names


async def test_an_alert_fires_and_resolves(plain: Compose) -> None:
    await publish(plain, 0.6)
    await await_listed(plain, "firing", len(SOURCES))
    await publish(plain, 0.1)
    await await_listed(plain, "firing", 0)


async def test_replicas_share_the_groups_and_every_gateway_answers(scaled: Compose) -> None:
    database = await asyncpg.connect(scaled.database_url)
    try:
        shares = await await_holders(database, 3)
    finally:
        await database.close()
    assert sorted(shares.values()) == [20, 22, 22]
    assert len(scaled.gateways()) == 2
    assert [scaled.get("/health", one)[0] for one in scaled.gateways()] == [200, 200]


async def test_a_container_whose_process_dies_is_back_and_loses_nothing(scaled: Compose) -> None:
    victim = scaled.containers("alerting")[0]
    before = inspect(victim)["State"]
    await publish(scaled, 0.6)
    await await_listed(scaled, "firing", len(SOURCES))
    os.kill(before["Pid"], signal.SIGKILL)
    await publish(scaled, 0.1)
    await await_listed(scaled, "firing", 0, within_s=30)
    await asyncio.to_thread(
        await_that,
        lambda: inspect(victim)["State"]["Pid"] not in (0, before["Pid"]) and health_of(victim) == "healthy",
        within_s=30,
        what="the container to be back",
    )


async def test_a_replica_cut_off_from_the_broker_is_relieved_and_doubles_nothing(scaled: Compose) -> None:
    database = await asyncpg.connect(scaled.database_url)
    victim = scaled.containers("alerting")[1]
    name, network = victim[:12], scaled.network("bus")
    await await_holders(database, 3)
    before = await _transitions(database)
    try:
        await publish(scaled, 0.6)
        await await_listed(scaled, "firing", len(SOURCES))
        docker("network", "disconnect", network, victim)
        began_s = time.monotonic()
        await publish(scaled, 0.1)
        await await_holders(database, 2, without=name)
        took_s = time.monotonic() - began_s
        print(f"\npartitioned replica relieved after {took_s:.1f} s")
        await await_listed(scaled, "firing", 0)
        docker("network", "connect", "--alias", "alerting", network, victim)
        await await_holders(database, 3)
        await publish(scaled, 0.6)
        await await_listed(scaled, "firing", len(SOURCES))
        await publish(scaled, 0.1)
        await await_listed(scaled, "firing", 0)
        after = await _transitions(database)
    finally:
        await database.close()
    assert took_s < RELIEVED_WITHIN_S
    said = {what: after[what] - before[what] for what in after}
    assert said == {"fired": 2 * len(SOURCES), "resolved": 2 * len(SOURCES)}


async def _transitions(database: asyncpg.Connection[asyncpg.Record]) -> Counter[str]:
    rows = await database.fetch(
        "SELECT transition, count(*) FROM alert_transitions t JOIN alerts USING (alert_id) "
        "WHERE rule = $1 GROUP BY 1",
        NOW,
    )
    return Counter({row["transition"]: row["count"] for row in rows})


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_ends_with_0_within_its_grace_period(scaled: Compose, service: str) -> None:
    began_s = time.monotonic()
    ids = scaled.containers(service)
    scaled("stop", service)
    assert [inspect(one)["State"]["ExitCode"] for one in ids] == [0] * len(ids)
    assert time.monotonic() - began_s < 15


def test_down_leaves_nothing(plain: Compose) -> None:
    plain.down()
    mine = f"label=com.docker.compose.project={plain.project}"
    left = [
        docker("ps", "--all", "--quiet", "--filter", mine),
        docker("volume", "ls", "--quiet", "--filter", mine),
        docker("network", "ls", "--quiet", "--filter", mine),
    ]
    assert left == ["", "", ""]
