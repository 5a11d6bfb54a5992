"""Notices, channels and what came of messages, in a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from atalaia.database import Pool, migrate
from atalaia.events.alerts import Severity, Transition
from atalaia.events.matching import conditions
from services.alerting.adapters.deliveries import PostgresDeliveries
from services.alerting.adapters.store import PostgresStore
from services.alerting.app import MIGRATIONS
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.domain.delivery import Desk
from services.alerting.domain.messages import Message, Notice
from services.alerting.domain.routes import Route, Routes
from services.alerting.ports import LeaseLost, Position
from tests.unit.alerting.desks import DELIVERED, TIMED_OUT

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROUTES = Routes(
    [Route(("pager",), conditions({"severity": "critical"}), and_on=True), Route(("team",))],
    ["pager", "team"],
)
ALERT = Alert(
    "01JDALERT",
    Key("high-cpu", "host", "web-1", "system.cpu.utilization"),
    group="web-1",
    partition=7,
    state=State.FIRING,
    started_at=NOW,
    last_at=NOW,
    severity=Severity.WARNING,
    value=0.9,
    threshold=0.8,
    sequence=1,
)


class World:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.store = PostgresStore(pool, "one", ROUTES)
        self.deliveries = PostgresDeliveries(pool, "one")
        self.other = PostgresDeliveries(pool, "two")
        self._sequence = 0

    async def happens(self, transition: Transition, severity: Severity = Severity.WARNING) -> None:
        self._sequence += 1
        state = State.RESOLVED if transition is Transition.RESOLVED else State.FIRING
        alert = structs.replace(ALERT, severity=severity, state=state, sequence=self._sequence)
        (lease, *_) = await self.store.acquire(1)
        change = Change(alert, NOW, transition)
        await self.store.commit(
            {lease.partition: lease.fence}, Position(NOW, 1, NOW), [change], judged={lease.partition: 0}
        )

    async def hold(self, *names: str) -> dict[str, int]:
        """Hold channels, and return their fences."""
        await self.deliveries.declare(dict.fromkeys(names, ("webhook", "shown")))
        return {held.name: held.fence for held in await self.deliveries.acquire(names)}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    await migrate(database_url, MIGRATIONS)
    async with opened(database_url) as pool:
        yield World(pool)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    pool = Pool(url, kept=1)
    try:
        yield pool
    finally:
        await pool.close(within_s=1.0)


def transitions(come: dict[str, list[Notice]]) -> dict[str, list[str]]:
    return {name: [str(one.event.transition) for one in notices] for name, notices in come.items()}


async def test_whoever_is_told_of_an_alert_is_told_of_its_end(world: World) -> None:
    await world.happens(Transition.FIRED)
    await world.happens(Transition.SEVERITY_CHANGED, Severity.CRITICAL)
    await world.happens(Transition.RESOLVED, Severity.WARNING)
    assert transitions(await world.deliveries.come(await world.hold("pager", "team"))) == {
        "pager": ["severity_changed", "resolved"],
        "team": ["fired", "severity_changed", "resolved"],
    }


async def test_notices_come_until_they_are_marked_and_again_to_the_next_holder(world: World) -> None:
    await world.happens(Transition.FIRED)
    first = await world.hold("team")
    for _ in range(2):
        (notice,) = (await world.deliveries.come(first))["team"]
    await world.deliveries.mark([notice.id], first["team"])
    assert await world.deliveries.come(first) == {}
    second = await world.hold("team")
    assert transitions(await world.deliveries.come(second)) == {"team": ["fired"]}


async def test_a_channel_is_held_by_one_at_a_time(world: World) -> None:
    fences = await world.hold("team")
    assert await world.other.acquire(["team"]) == []
    assert await world.deliveries.renew(fences) == {"team"}
    await world.deliveries.release(fences)
    assert [held.name for held in await world.other.acquire(["team"])] == ["team"]
    assert await world.deliveries.renew(fences) == set()


async def message_at(world: World, fences: dict[str, int]) -> tuple[Desk, Message]:
    desk = Desk("team")
    desk.take((await world.deliveries.come(fences))["team"])
    (message,) = desk.due(datetime.now(UTC), lambda event: False)
    return desk, message


async def test_who_lost_a_channel_writes_nothing(world: World) -> None:
    await world.happens(Transition.FIRED)
    old = await world.hold("team")
    desk, message = await message_at(world, old)
    await world.deliveries.begin(message, old["team"], tries=0, superseded=[])
    new = await world.hold("team")
    settled = desk.settle(message, DELIVERED, NOW, dice=0.5)
    assert not await world.deliveries.settle(settled, old["team"], NOW, failures=0, not_before=None)
    with pytest.raises(LeaseLost):
        await world.deliveries.begin(message, old["team"], tries=1, superseded=[])
    assert transitions(await world.deliveries.come(new)) == {"team": ["fired"]}


async def test_what_was_begun_is_sealed_for_the_next_holder(world: World) -> None:
    await world.happens(Transition.FIRED)
    fences = await world.hold("team")
    _, message = await message_at(world, fences)
    await world.deliveries.begin(message, fences["team"], tries=2, superseded=[])
    ((again, tries, _, sealed),) = await world.deliveries.restore(Desk("team"))
    assert (again, tries, sealed) == (message, 2, True)


async def test_what_was_delivered_is_known_to_the_next_holder(world: World) -> None:
    await world.happens(Transition.FIRED)
    fences = await world.hold("team")
    desk, message = await message_at(world, fences)
    await world.deliveries.begin(message, fences["team"], tries=0, superseded=[])
    settled = desk.settle(message, DELIVERED, NOW, dice=0.5)
    assert await world.deliveries.settle(settled, fences["team"], NOW, failures=0, not_before=None)
    other = Desk("team")
    assert await world.deliveries.restore(other) == []
    group = other.group(message.groups[0], 30.0, None)
    assert (list(group.told), group.sent_at) == ([ALERT.alert_id], NOW)
    assert await world.deliveries.come(await world.hold("team")) == {}


async def test_the_breaker_is_left_to_the_next_holder(world: World) -> None:
    await world.happens(Transition.FIRED)
    fences = await world.hold("team")
    desk, message = await message_at(world, fences)
    await world.deliveries.begin(message, fences["team"], tries=0, superseded=[])
    settled = desk.settle(message, TIMED_OUT, NOW, dice=0.5)
    until = NOW + timedelta(seconds=15)
    await world.deliveries.settle(settled, fences["team"], NOW, failures=5, not_before=until)
    (held,) = await world.deliveries.acquire(["team"])
    assert (held.failures, held.not_before) == (5, until)


async def test_what_is_superseded_is_no_longer_under_way(world: World) -> None:
    await world.happens(Transition.FIRED)
    fences = await world.hold("team")
    _, message = await message_at(world, fences)
    await world.deliveries.begin(message, fences["team"], tries=0, superseded=[])
    newer = replace(message, key="newer")
    await world.deliveries.begin(newer, fences["team"], tries=1, superseded=[message.key])
    assert [one.key for one, _, _, _ in await world.deliveries.restore(Desk("team"))] == ["newer"]


async def test_channels_that_are_not_named_any_more_are_gone(world: World) -> None:
    await world.hold("team", "pager")
    await world.deliveries.declare({"team": ("webhook", "shown")})
    assert await world.other.acquire(["pager"]) == []
