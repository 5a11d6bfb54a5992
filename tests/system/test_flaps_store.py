"""Series that flap, in a real Postgres: who was told what of them, and who is told of the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from atalaia.database import migrate
from atalaia.events.alerts import Severity, Transition
from services.alerting.app import MIGRATIONS
from services.alerting.domain.alert import Alert, Change, State
from services.alerting.domain.delivery import Desk
from services.alerting.domain.flaps import Flap
from services.alerting.domain.outcomes import Outcome
from services.alerting.ports import Position
from tests.system.test_deliveries_store import ALERT, NOW, World, opened
from tests.unit.alerting.desks import DELIVERED, REJECTED

SERIES = ("high-cpu", "host", "web-1", "system.cpu.utilization")
LATER = NOW + timedelta(minutes=10)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[Flapping]:
    await migrate(database_url, MIGRATIONS)
    async with opened(database_url) as pool:
        yield Flapping(World(pool))


def flapping(number: int, severity: Severity = Severity.WARNING) -> Alert:
    return replace(ALERT, alert_id=f"alert-{number}", flapping=True, severity=severity, fired_at=NOW)


class Flapping:
    """A series that flaps; `desks` are those of the channels held."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desks: dict[str, Desk] = {}
        self.fences: dict[str, int] = {}

    async def commit(self, *changes: Change) -> None:
        (lease, *_) = await self.world.store.acquire(1)
        await self.world.store.commit(
            {lease.partition: lease.fence}, Position(NOW, 1, NOW), changes, judged={lease.partition: 0}
        )

    async def fires_and_resolves(self, alert: Alert) -> None:
        over = replace(alert, state=State.RESOLVED, resolved_at=NOW, resolved_by="recovery", sequence=2)
        await self.commit(Change(alert, NOW, Transition.FIRED), Change(over, NOW, Transition.RESOLVED))

    async def is_stable(self, alert: Alert) -> None:
        over = replace(alert, state=State.RESOLVED, resolved_at=NOW, resolved_by="recovery")
        calm = replace(over, sequence=3, flapping=False)
        await self.commit(Change(calm, LATER, Transition.STABILIZED))

    async def hold(self, *names: str) -> None:
        """Take channels over, as another replica does."""
        self.fences = await self.world.hold(*names)
        self.desks = {name: Desk(name) for name in names}
        for desk in self.desks.values():
            await self.world.deliveries.restore(desk)

    async def told(self, name: str, outcome: Outcome = DELIVERED) -> list[str]:
        """Deliver what is due on a channel; return it."""
        desk, fence, deliveries = self.desks[name], self.fences[name], self.world.deliveries
        come = (await deliveries.come({name: fence})).get(name, [])
        desk.take(come)
        await deliveries.mark([notice.id for notice in come], fence)
        said = []
        for message in desk.due(datetime.now(UTC), lambda event: False):
            await deliveries.begin(message, fence, tries=0, superseded=[])
            settled = desk.settle(message, outcome, NOW, dice=0.5)
            assert await deliveries.settle(settled, fence, NOW, failures=0, not_before=None)
            desk.landed(message)
            said += [f"{item.event.alert_id} {'+'.join(item.transitions)}" for item in message.items]
        await deliveries.discard(desk.dropped)
        desk.dropped.clear()
        return said

    async def rows(self) -> int:
        async with self.world.pool.session() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM flaps"))


async def test_the_next_holder_knows_that_the_channel_was_told(world: Flapping) -> None:
    await world.hold("team", "pager")
    await world.fires_and_resolves(flapping(1))
    assert await world.told("team") == ["alert-1 fired"]
    await world.hold("team", "pager")
    await world.fires_and_resolves(flapping(2))
    assert world.desks["team"].flaps == {SERIES: Flap(NOW, Severity.WARNING)}
    assert await world.told("team") == []
    await world.is_stable(flapping(2))
    assert await world.told("team") == ["alert-1 resolved", "alert-2 fired+resolved+stabilized"]
    assert await world.rows() == 0


async def test_whoever_was_told_that_it_flaps_is_told_that_it_is_stable(world: Flapping) -> None:
    await world.hold("team", "pager")
    await world.fires_and_resolves(flapping(1, Severity.CRITICAL))
    assert await world.told("pager") == ["alert-1 fired"]
    await world.fires_and_resolves(flapping(2))  # a warning: not for the pager
    assert await world.told("pager") == []
    await world.is_stable(flapping(2))
    assert await world.told("pager") == ["alert-1 resolved", "alert-2 stabilized"]
    assert await world.told("team") == ["alert-1 fired"]
    assert await world.rows() == 1


async def test_it_is_told_even_where_all_its_alerts_were_told_as_over(world: Flapping) -> None:
    await world.hold("team", "pager")
    await world.fires_and_resolves(flapping(1))
    assert await world.told("team") == ["alert-1 fired"]
    over = replace(flapping(1), state=State.RESOLVED, resolved_by="recovery", sequence=3)
    await world.commit(Change(over, NOW + timedelta(hours=1), Transition.RESOLVED))
    assert await world.told("team") == ["alert-1 resolved"]
    await world.commit(
        Change(replace(over, flapping=False, sequence=4), NOW + timedelta(hours=2), Transition.STABILIZED)
    )
    assert await world.told("team") == ["alert-1 stabilized"]


async def test_what_was_never_told_leaves_nothing_behind(world: Flapping) -> None:
    await world.hold("team", "pager")
    await world.fires_and_resolves(flapping(1))
    assert await world.told("team", REJECTED) == ["alert-1 fired"]
    assert await world.told("team") == []
    await world.is_stable(flapping(1))
    assert await world.told("team") == []
    assert await world.rows() == 0


async def test_the_mark_is_on_one_alert_of_a_series_and_is_restored(world: Flapping) -> None:
    await world.fires_and_resolves(flapping(1))
    first = replace(flapping(1), state=State.RESOLVED, resolved_at=NOW, flapping=False, sequence=2)
    await world.commit(Change(first, LATER), Change(flapping(2), LATER, Transition.FIRED))
    stored = await world.world.store.load([ALERT.partition])
    assert [alert.alert_id for alert in stored if alert.flapping] == ["alert-2"]
