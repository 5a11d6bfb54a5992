"""Deliveries, broken on purpose: nothing is lost, nothing acted on twice, each end after its beginning."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.system.deliveries import Books, Second, platform_for, settled, swing
from tests.system.receiver import Behaviour, Receiver, receiving

IN_FLIGHT_AT_MOST = 8


class Stage:
    """A platform, a second replica of alerting, and a receiver that behaves as told."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.receiver = receiver
        self.platform = platform_for(folder, receiver)
        self.second = Second(self.platform)
        self.killed = 0

    async def kill_now_and_then(self, names: list[str], *, every_s: float, seed: int = 1) -> None:
        """SIGKILL one service, or the broker, after the other, at random, for ever; all of them come back."""
        dice = random.Random(seed)
        while True:
            await asyncio.sleep(every_s)
            name = dice.choice(names)
            if name == "second":
                self.second.kill()
                self.second.start()
            else:
                with contextlib.suppress(StopIteration, psutil.NoSuchProcess):
                    self.platform.child(name).kill()
            self.killed += 1


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with receiving() as receiver:
        stage = Stage(tmp_path_factory.mktemp("faults"), receiver)
        stage.platform.start()
        stage.second.start()
        try:
            yield stage
        finally:
            stage.second.kill()
            assert stage.platform.stop() == 0


def assert_balance(books: Books, *, transitions: int, kills: int, digests: int = 0) -> None:
    print(books.line(), f"kills {kills}")
    assert books.stored.total() == transitions
    assert books.lost == []
    assert books.doubled == []
    assert books.disordered == []
    assert books.repeats <= books.unknown + IN_FLIGHT_AT_MOST * kills
    # it begins, perhaps a digest, it is stable: none of them lost, and no more than that
    assert max(books.flapping.values(), default=0) <= 2 + digests


async def storm(
    stage: Stage,
    *,
    sources: int,
    times: int,
    pause_s: float,
    every_s: float,
    seed: int,
    step_s: float = 1.0,
    digests: int = 0,
) -> None:
    name, stage.killed = f"storm-{seed}", 0
    stage.receiver.behaviour = Behaviour(fails=0.3, dice=random.Random(seed))
    alerting = ["services.alerting", "second"]
    victims = [*alerting, *alerting, "services.api", "services.collector", "nats-server"]
    killing = asyncio.create_task(stage.kill_now_and_then(victims, every_s=every_s, seed=seed))
    transitions = await swing(
        stage.platform, name, sources=sources, times=times, pause_s=pause_s, step_s=step_s
    )
    killing.cancel()
    books = await settled(stage.platform, stage.receiver, name, transitions=transitions, within_s=90)
    stage.receiver.behaviour = Behaviour()
    assert_balance(books, transitions=transitions, kills=stage.killed, digests=digests)


async def test_a_receiver_that_fails_while_services_are_killed(stage: Stage) -> None:
    await storm(stage, sources=30, times=3, pause_s=1.5, every_s=3.0, seed=4)


async def test_flapping_through_kills_begins_has_a_digest_and_is_stable(stage: Stage) -> None:
    # twelve times within 44 minutes of event time: the third begins it, half an hour later is a digest
    await storm(stage, sources=10, times=12, pause_s=0.5, every_s=3.0, seed=5, step_s=110.0, digests=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_1000_transitions_with_a_receiver_that_fails(stage: Stage, seed: int) -> None:
    await storm(stage, sources=100, times=5, pause_s=6.0, every_s=5.0, seed=seed)


async def away(stage: Stage, name: str, *, sources: int, times: int, pause_s: float) -> None:
    stage.receiver.server.away()
    transitions = await swing(stage.platform, name, sources=sources, times=times, pause_s=pause_s)
    stage.receiver.server.start()
    books = await settled(stage.platform, stage.receiver, name, transitions=transitions, within_s=60)
    assert_balance(books, transitions=transitions, kills=0)
    assert books.messages < transitions / 4, "a digest after an outage"


async def test_a_receiver_that_was_away_has_everything_within_a_minute(stage: Stage) -> None:
    await away(stage, "away", sources=20, times=3, pause_s=1.0)


@pytest.mark.long
async def test_a_receiver_that_was_away_for_long(stage: Stage) -> None:
    await away(stage, "long-away", sources=100, times=5, pause_s=6.0)


async def without_postgres(stage: Stage, name: str, *, seconds: float) -> None:
    publishing = asyncio.create_task(swing(stage.platform, name, sources=30, times=3, pause_s=seconds / 4))
    await asyncio.sleep(seconds / 4)
    server = stage.platform.child("postgres")
    family = [server, *server.children(recursive=True)]
    for process in family:
        process.suspend()
    await asyncio.sleep(seconds)
    for process in family:
        process.resume()
    transitions = await publishing
    books = await settled(stage.platform, stage.receiver, name, transitions=transitions, within_s=60)
    assert_balance(books, transitions=transitions, kills=0)


async def test_postgres_is_away_for_a_while(stage: Stage) -> None:
    await without_postgres(stage, "no-postgres", seconds=4.0)


@pytest.mark.long
async def test_postgres_is_away_for_a_minute(stage: Stage) -> None:
    await without_postgres(stage, "long-no-postgres", seconds=60.0)


async def test_a_replica_that_was_stopped_sends_nothing_anew_when_it_wakes(stage: Stage) -> None:
    connection = await asyncpg.connect(stage.platform.urls()["DATABASE_URL"])
    holder = await connection.fetchval("SELECT holder FROM channels")
    await connection.close()
    second = psutil.Process(stage.second.pid)
    stopped = second if holder == "second" else stage.platform.child("services.alerting")
    stopped.suspend()
    try:
        transitions = await swing(stage.platform, "stopped", sources=10, times=1, pause_s=1.0)
        books = await settled(stage.platform, stage.receiver, "stopped", transitions=transitions, within_s=40)
    finally:
        stopped.resume()
    assert_balance(books, transitions=transitions, kills=1)
    transitions = await swing(stage.platform, "woken", sources=10, times=1, pause_s=0.2)
    books = await settled(stage.platform, stage.receiver, "woken", transitions=transitions, within_s=40)
    assert_balance(books, transitions=transitions, kills=1)
