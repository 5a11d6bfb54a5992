"""What is judged is written in order, whatever becomes of the store; nobody waits for one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from atalaia.errors import Transient
from atalaia.events.alerts import Transition
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.handlers import writing
from services.alerting.handlers.writing import AHEAD, CHANGES_AT_ONCE, COMPACTED_FROM, Judged, Writing
from services.alerting.ports import LeaseLost, Position

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def change(number: int) -> Change:
    alert = Alert(f"{number:06}", Key("r", "host", "web-1", "m"), "web-1", 7, State.PENDING, AT, AT)
    return Change(alert, AT)


def judged(sequence: int, *numbers: int, asked: Sequence[asyncio.Future[None]] = ()) -> Judged:
    return Judged(Position(AT, sequence, AT), [change(number) for number in numbers], asked)


class Shelf:
    """A store that fails as often as it is told to, and hangs as long."""

    def __init__(
        self, *errors: Transient, hangs: asyncio.Event | None = None, retry_after_s: float = 0.0
    ) -> None:
        self.hangs = hangs
        self.errors = list(errors)
        self.written: list[tuple[int, list[int]]] = []
        self.failures: list[str] = []
        self.done = asyncio.Event()
        self.writing = Writing(
            self._write,
            written=lambda _: self.done.set(),
            failed=lambda error: self.failures.append(str(error)),
            retry_after_s=retry_after_s,
        )

    async def _write(self, position: Position, changes: Sequence[Change]) -> None:
        await asyncio.sleep(0)
        if self.hangs is not None:
            await self.hangs.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.written.append((position.sequence, [int(one.alert.alert_id) for one in changes]))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Writing]:
        task = asyncio.create_task(self.writing.run())
        yield self.writing
        task.cancel()
        await asyncio.wait([task])

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await self.done.wait()
                self.done.clear()


async def test_a_store_that_is_away_gets_everything_in_order_when_it_is_back() -> None:
    shelf = Shelf(Transient("away"), Transient("still away"))
    async with shelf.open() as writing:
        writing.add(judged(1, 1, 2))
        writing.add(judged(2, 3))
        await shelf.until(lambda: writing.idle)
    assert [number for _, numbers in shelf.written for number in numbers] == [1, 2, 3]
    assert shelf.written[-1][0] == 2
    assert shelf.failures == ["away", "still away"]
    assert writing.waiting == 0


async def test_what_waits_is_written_together_but_never_too_much_at_once() -> None:
    shelf = Shelf()
    for sequence in range(1, 1 + 3 * CHANGES_AT_ONCE // 100):
        shelf.writing.add(judged(sequence, *range(100)))
    async with shelf.open() as writing:
        await shelf.until(lambda: writing.idle)
    assert [len(numbers) for _, numbers in shelf.written] == [CHANGES_AT_ONCE] * 3


async def test_while_much_waits_only_the_last_state_of_an_alert_and_its_transitions_are_kept() -> None:
    shelf = Shelf()
    told = replace(change(0), transition=Transition.FIRED)
    shelf.writing.add(Judged(Position(AT, 1, AT), [told]))
    for sequence in range(2, 2 + 2 * COMPACTED_FROM // 100):
        shelf.writing.add(judged(sequence, *range(100)))
    assert shelf.writing.waiting < COMPACTED_FROM
    last = 1 + 2 * COMPACTED_FROM // 100
    async with shelf.open() as writing:
        await shelf.until(lambda: writing.idle)
    written = [number for _, numbers in shelf.written for number in numbers]
    assert written[0] == 0
    assert written[-100:] == list(range(100))
    assert shelf.written[-1][0] == last
    assert shelf.writing.waiting == 0


async def test_it_is_full_of_what_must_be_told_not_of_what_came_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "WAITING_AT_MOST", COMPACTED_FROM + 100)
    shelf = Shelf()
    told = [replace(change(number), transition=Transition.FIRED) for number in range(COMPACTED_FROM)]
    shelf.writing.add(Judged(Position(AT, 1, AT), told))
    for sequence in range(2, 200):
        shelf.writing.add(judged(sequence, *range(10)))
    with pytest.raises(Transient, match="wait to be written"):
        shelf.writing.add(Judged(Position(AT, 200, AT), told[:200]))


async def test_who_asked_is_answered_when_it_is_written_and_refused_while_it_cannot_be() -> None:
    loop = asyncio.get_running_loop()
    refused, answered = loop.create_future(), loop.create_future()
    shelf = Shelf(Transient("away"))
    async with shelf.open() as writing:
        writing.add(judged(1, 1, asked=[refused]))
        with pytest.raises(Transient, match="away"):
            await refused
        await shelf.until(lambda: writing.idle)
        writing.add(judged(2, 2, asked=[answered]))
        await answered
    assert [numbers for _, numbers in shelf.written] == [[1], [2]]


async def test_a_lost_lease_ends_it_with_nothing_written() -> None:
    shelf = Shelf(LeaseLost("another replica holds the partitions"))
    shelf.writing.add(judged(1, 1))
    with pytest.raises(LeaseLost):
        await shelf.writing.run()
    assert shelf.written == []


async def test_the_judging_goes_on_beside_a_store_that_keeps_up_and_no_further_ahead_than_it_needs() -> None:
    shelf = Shelf()
    most = 0
    async with shelf.open() as writing:
        for sequence in range(1, 1000):
            writing.add(judged(sequence, *range(100)))
            most = max(most, writing.waiting)
            await writing.room()
        await shelf.until(lambda: writing.idle)
    assert sum(len(numbers) for _, numbers in shelf.written) == 99_900
    assert most <= AHEAD + 100


@pytest.mark.parametrize("hangs", [False, True], ids=["away", "hanging"])
async def test_nobody_waits_for_room_in_a_store_that_does_nothing(
    monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(writing, "STUCK_AFTER_S", 0.01)
    shelf = Shelf(hangs=asyncio.Event()) if hangs else Shelf(Transient("away"), retry_after_s=3600.0)
    async with shelf.open() as kept:
        kept.add(judged(1, *range(AHEAD + 1)))
        await asyncio.wait_for(kept.room(), 5)
        monkeypatch.setattr(writing, "STUCK_AFTER_S", 3600.0)  # what is known is not found out again
        await asyncio.wait_for(kept.room(), 5)
        assert kept.waiting > AHEAD


async def test_a_store_that_is_back_is_waited_for_again() -> None:
    shelf = Shelf(Transient("away"))
    async with shelf.open() as kept:
        kept.add(judged(1, *range(AHEAD + 1)))
        await shelf.until(lambda: kept.idle)
        kept.add(judged(2, *range(AHEAD + 1)))
        await kept.room()
        assert kept.waiting <= AHEAD
