"""The notifier, with a store in memory, a sender that answers as told, and a clock that can be set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from atalaia.errors import Transient
from atalaia.service import Instruments
from services.alerting.domain.channels_file import Channel, Notifications
from services.alerting.domain.delivery import Desk, Settlement
from services.alerting.domain.messages import Message, Notice
from services.alerting.domain.outcomes import Outcome
from services.alerting.domain.routes import Route, Routes
from services.alerting.domain.silences import Silence
from services.alerting.domain.targets import parse_target
from services.alerting.handlers.notifying import Notifier
from services.alerting.ports import HeldChannel, LeaseLost
from tests.unit.alerting.desks import DELIVERED, REFUSED, T0, TIMED_OUT, Scene

NOTIFICATIONS = Notifications(
    {"ops": Channel("ops", parse_target("webhook+http://127.0.0.1:9/"))}, Routes([Route(("ops",))], ["ops"])
)


class SetClock:
    """Monotonic time runs `fast` times as fast as the test's; the wall clock can be set."""

    def __init__(self, fast: float = 20.0) -> None:
        self._fast = fast
        self.set_by = timedelta()

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time() * self._fast

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.monotonic_s()) + self.set_by


class MemoryDeliveries:
    """One channel's deliveries; `away` as Postgres would be, `lost` as if another replica held it."""

    def __init__(self) -> None:
        self.coming: list[Notice] = []
        self.begun: list[Message] = []
        self.settled: list[Settlement] = []
        self.away = False
        self.lost = False
        self.forgets_marks = 0
        self._fence = 0

    def _asked(self) -> None:
        if self.away:
            raise Transient("postgres: away")

    async def declare(self, channels: Mapping[str, tuple[str, str]]) -> None:
        self._asked()

    async def acquire(self, names: Iterable[str]) -> list[HeldChannel]:
        self._asked()
        if self.lost:
            return []
        self._fence += 1
        return [HeldChannel(name, self._fence, 0, None) for name in names]

    async def renew(self, fences: Mapping[str, int]) -> set[str]:
        self._asked()
        return set() if self.lost else set(fences)

    async def release(self, fences: Mapping[str, int]) -> None:
        self._asked()

    async def restore(self, desk: Desk) -> list[tuple[Message, int, datetime, bool]]:
        self._asked()
        return []

    async def come(self, fences: Mapping[str, int]) -> dict[str, list[Notice]]:
        self._asked()
        return {"ops": list(self.coming)} if self.coming else {}

    async def mark(self, notices: Iterable[int], fence: int) -> None:
        marked = set(notices)
        if self.forgets_marks:
            self.forgets_marks -= 1
            raise Transient("postgres: the connection broke")
        self.coming = [notice for notice in self.coming if notice.id not in marked]

    async def begin(self, message: Message, fence: int, *, tries: int, superseded: Sequence[str]) -> None:
        self._asked()
        if self.lost:
            raise LeaseLost("another replica holds the channel")
        self.begun.append(message)

    async def settle(
        self, settled: Settlement, fence: int, at: datetime, *, failures: int, not_before: datetime | None
    ) -> bool:
        self._asked()
        self.settled.append(settled)
        return not self.lost

    async def discard(self, notices: Sequence[Notice]) -> None:
        self._asked()


class NoSilences:
    async def current(self) -> list[Silence]:
        return []

    async def create(self, silence: Silence) -> None: ...

    async def expire(self, silence_id: str, *, by: str, at: datetime) -> None: ...


class Answers:
    """A sender that answers with these in turn, and with the last one for ever."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.sent: list[str] = []
        self.takes_s = 0.0
        self.on_send: Callable[[], None] = lambda: None

    async def send(self, channel: Channel, message: Message) -> Outcome:
        self.sent.append(message.key)
        self.on_send()
        await asyncio.sleep(self.takes_s)
        return self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]


class World:
    def __init__(self, *outcomes: Outcome) -> None:
        self.clock = SetClock()
        self.store = MemoryDeliveries()
        self.sender = Answers(*outcomes)
        self.scene = Scene()
        self.notifier: Notifier | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def nobody_to_tell() -> None: ...

        notifier = self.notifier = Notifier(
            deliveries=self.store,
            silences=NoSilences(),
            sender=self.sender,
            clock=self.clock,
            notifications=NOTIFICATIONS,
            instruments=Instruments(),
            tell_others=nobody_to_tell,
        )
        running = asyncio.create_task(notifier.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})

    def happens(self, alert: str, transition: str) -> None:
        self.scene.now_s = (self.clock.now() - T0).total_seconds()
        self.store.coming.append(self.scene.notice(alert, transition))
        if self.notifier is not None:
            self.notifier.wake()

    async def until(self, sent: int, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while len(self.store.settled) < sent:
                await asyncio.sleep(0.005)


async def test_what_is_committed_leaves() -> None:
    world = World(DELIVERED)
    async with world.running():
        world.happens("a", "fired")
        await world.until(sent=1)
    assert [one.outcome for one in world.store.settled] == [DELIVERED]


async def test_a_clock_that_is_set_back_holds_no_retry_back() -> None:
    world = World(REFUSED, DELIVERED)
    world.sender.on_send = lambda: setattr(world.clock, "set_by", timedelta(hours=-1))
    async with world.running():
        world.happens("a", "fired")
        await world.until(sent=2)


async def test_what_came_of_a_try_is_stored_once_postgres_is_back_and_not_tried_again() -> None:
    world = World(DELIVERED)
    world.sender.on_send = lambda: setattr(world.store, "away", True)
    async with world.running():
        world.happens("a", "fired")
        async with asyncio.timeout(5):
            while not world.sender.sent:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)
        world.store.away = False
        await world.until(sent=1)
    assert len(world.sender.sent) == 1


async def test_a_replica_that_lost_the_channel_sends_nothing() -> None:
    world = World(DELIVERED)
    async with world.running():
        world.happens("a", "fired")
        await world.until(sent=1)
        world.store.lost = True
        world.happens("b/errors", "fired")
        async with asyncio.timeout(5):
            while world.notifier is not None and world.notifier.fences:
                await asyncio.sleep(0.005)
    assert len(world.sender.sent) == 1


async def test_what_comes_again_is_taken_once() -> None:
    world = World(DELIVERED)
    world.store.forgets_marks = 3
    async with world.running():
        world.happens("a", "fired")
        await world.until(sent=1)
        async with asyncio.timeout(5):
            while world.store.coming:
                await asyncio.sleep(0.005)
    assert len(world.sender.sent) == 1


async def test_a_stop_lets_what_is_on_its_way_land() -> None:
    world = World(DELIVERED)
    world.sender.takes_s = 0.3
    async with world.running():
        world.happens("a", "fired")
        async with asyncio.timeout(5):
            while not world.sender.sent:
                await asyncio.sleep(0.005)
        world.happens("b/errors", "fired")
        assert world.notifier is not None
        await world.notifier.drain(within_s=5)
        assert len(world.store.settled) == 1
    assert len(world.sender.sent) == 1


async def test_each_try_has_the_same_key() -> None:
    world = World(TIMED_OUT, REFUSED, DELIVERED)
    async with world.running():
        world.happens("a", "fired")
        await world.until(sent=3)
    assert len(set(world.sender.sent)) == 1
    assert [one.attempt for one in world.store.settled] == [1, 2, 3]
