"""Every service restarted, one container after the other, under load: nothing is lost, doubled or refused."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.containers.compose import SERVICES, Compose, docker, health_of
from tests.system.platform import await_that
from tests.system.storm.books import Balance, books_of, compare
from tests.system.storm.ledger import Ledger
from tests.system.storm.traffic import Traffic

PATHS = (
    "/health",
    "/health/detailed",
    "/metrics?kind=storm&source=storm-7",
    "/alerts?limit=50",
    "/performance",
)
WITHOUT_BROKER = PATHS[1:]  # `/health` says 503 while a broker is away: that is its answer, not a failure
READ_EVERY_S = 0.02
NODES = ("nats", "nats-2", "nats-3")
SETTLES_WITHIN_S = 60.0


@dataclass
class Readers:
    """Somebody who reads through the balancer all the time."""

    compose: Compose
    paths: tuple[str, ...]
    read: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            for path in self.paths:
                status, _, body = await self.compose.ask(path)
                self.read[path] += 1
                if status != 200:
                    self.failures.append(f"{path}: {status} {str(body)[:200]}")
                await asyncio.sleep(READ_EVERY_S)


@asynccontextmanager
async def load(compose: Compose, paths: tuple[str, ...]) -> AsyncIterator[tuple[Traffic, Ledger, Readers]]:
    """100 sources that publish each second, transitions among them, and readers; settled at the end."""
    ledger, readers = Ledger(compose), Readers(compose, paths)
    async with compose.nats() as client:
        traffic = Traffic(client.jetstream(timeout=5), sources=100, seed=8)
        sending = asyncio.create_task(traffic.run())
        reading = asyncio.create_task(readers.run())
        try:
            async with asyncio.timeout(20):
                while len(traffic.acknowledged) < 200:
                    await asyncio.sleep(0.1)
            yield traffic, ledger, readers
            traffic.settle()
            async with asyncio.timeout(SETTLES_WITHIN_S):
                await sending
            await ledger.all_judged(within_s=SETTLES_WITHIN_S)
            await ledger.read()
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.wait({sending, reading})
            await ledger.close()


async def restart(compose: Compose, *services: str) -> dict[str, float]:
    """Restart each container once the one before is healthy; return how long each service took."""
    took_s = {}
    for service in services:
        began_s = time.monotonic()
        for container in compose.containers(service):
            await asyncio.to_thread(docker, "restart", "--time", "15", container)
            await asyncio.to_thread(
                await_that, lambda one=container: health_of(one) == "healthy", within_s=60, what=service
            )
        took_s[service] = time.monotonic() - began_s
    return took_s


def balances(traffic: Traffic, ledger: Ledger, stored: Balance, announced: Balance, readers: Readers) -> str:
    return (
        f"{len(traffic.acknowledged)} messages, {traffic.samples} samples; stored: {stored.line()}; "
        f"stream: {announced.line()}; {readers.read.total()} reads, {len(readers.failures)} failed"
    )


async def weigh_books(traffic: Traffic, ledger: Ledger) -> tuple[list[str], Balance, Balance]:
    """Return what was acknowledged and is not there once, and the balances of Postgres and the stream."""
    expected = books_of(ledger.samples).expected
    missing = [one for one in traffic.acknowledged if ledger.held.get(one) != 1]
    stored = compare(expected, await ledger.stored())
    await ledger.close()
    return missing, stored, compare(expected, ledger.announced)


async def test_every_service_restarts_and_nobody_notices(highly_available: Compose) -> None:
    async with load(highly_available, PATHS) as (traffic, ledger, readers):
        took_s = await restart(highly_available, *SERVICES)
    missing, stored, announced = await weigh_books(traffic, ledger)
    print(f"\n{balances(traffic, ledger, stored, announced, readers)}; took {took_s}")
    assert not missing
    assert stored.expected > 100, "hardly a transition: that proves nothing"
    assert stored.holds, stored.line()
    assert announced.holds, announced.line()
    assert readers.read.total() > 100
    assert not readers.failures, readers.failures[:5]


async def test_each_node_of_the_broker_restarts_and_nothing_is_lost(highly_available: Compose) -> None:
    async with load(highly_available, WITHOUT_BROKER) as (traffic, ledger, readers):
        took_s = await restart(highly_available, *NODES)
    missing, stored, announced = await weigh_books(traffic, ledger)
    print(f"\n{balances(traffic, ledger, stored, announced, readers)}; took {took_s}")
    assert not missing
    assert stored.holds, stored.line()
    assert announced.holds, announced.line()
    assert not readers.failures, readers.failures[:5]


async def test_gateways_are_exchanged_for_new_ones_and_no_read_is_refused(highly_available: Compose) -> None:
    def well() -> bool:
        return all(highly_available.get("/health")[0] == 200 for _ in range(20))

    # a node of the broker may have been restarted a moment ago, and each gateway finds another by itself
    await asyncio.to_thread(await_that, well, within_s=30, what="every gateway to be well")
    async with load(highly_available, PATHS) as (_, _, readers):
        old = set(highly_available.containers("api"))
        for container in old:  # as docs/deploy.md has it
            added = ("up", "--detach", "--wait", "--no-deps", "--no-recreate", "--scale", "api=3", "api")
            await asyncio.to_thread(highly_available, *added)
            await asyncio.to_thread(docker, "stop", "--time", "15", container)
            await asyncio.to_thread(docker, "rm", container)
    assert len(set(highly_available.containers("api")) - old) == 2
    assert not readers.failures, readers.failures[:5]
