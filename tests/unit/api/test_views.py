"""One question and its readers: what each is told, and what is made once for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from services.api.domain.board import Board
from services.api.domain.question import Place, Question
from services.api.handlers.live.topics import NOTHING, Said, Topic
from services.api.handlers.live.views import FIRST, View

QUESTION = Question(("alerts",))


class Letters(Topic):
    """A topic of letters with numbers."""

    name = "alerts"

    def __init__(self) -> None:
        self._board: Board[str, dict[str, int]] = Board()
        self._newest = 0

    def put(self, **letters: int) -> None:
        for letter, number in letters.items():
            self._newest += 1
            self._board.put(letter, {letter: number}, self._newest)

    def horizon(self) -> int:
        return self._newest

    async def news(self, since: int | None, until: int) -> Said | None:
        if since is None:
            return Said(_body(value for _, value in self._board.whole()), self._newest)
        changes = self._board.between(since, until)
        assert changes is not None
        return Said(_body(changes.values) if changes else NOTHING, max(since, until))


def _body(values: Any) -> bytes:
    return json.dumps(dict(item for one in values for item in one.items())).encode()


class Reader:
    def __init__(self, view: View, last_id: str = "") -> None:
        self._pieces: AsyncIterator[bytes] = view.read(Place.read(last_id))
        self.id = ""
        self.piece = b""

    async def next(self) -> dict[str, int]:
        async with asyncio.timeout(5):
            piece = await anext(self._pieces)
            if piece == FIRST:
                piece = await anext(self._pieces)
        self.piece = piece
        fields = dict(line.split(": ", 1) for line in piece.decode().strip().splitlines())
        self.id = fields["id"]
        found: dict[str, int] = json.loads(fields["data"])
        return found


def made(gateway: str = "a") -> tuple[Letters, View]:
    letters = Letters()
    return letters, View(QUESTION, {"alerts": letters}, gateway, lambda: "1")


async def test_a_reader_gets_a_snapshot_and_then_what_changes() -> None:
    letters, view = made()
    letters.put(a=1)
    reader = Reader(view)
    assert await reader.next() == {"a": 1}
    letters.put(b=2)
    view.turn()
    assert await reader.next() == {"b": 2}


async def test_an_event_is_made_once_for_readers_who_came_at_different_times() -> None:
    letters, view = made()
    readers = []
    for number in range(3):
        letters.put(a=number)  # nobody is told yet: each begins somewhere else
        readers.append(Reader(view))
        await readers[-1].next()
    for number in range(2):
        letters.put(z=number)
        view.turn()
        told = [await reader.next() for reader in readers]
    assert told == [{"z": 1}] * 3
    assert len({id(reader.piece) for reader in readers}) == 1


async def test_a_slow_reader_gets_the_newest_of_everything_at_once() -> None:
    letters, view = made()
    reader = Reader(view)
    await reader.next()
    for number in range(100):
        letters.put(a=number, b=-number)
        view.turn()
    assert await reader.next() == {"a": 99, "b": -99}


async def test_a_reader_who_comes_back_gets_what_it_missed() -> None:
    letters, view = made()
    letters.put(a=1, b=2)
    reader = Reader(view)
    await reader.next()
    letters.put(b=3)
    view.turn()
    assert await Reader(view, reader.id).next() == {"b": 3}


async def test_a_reader_from_another_gateway_or_question_begins_anew() -> None:
    letters, view = made()
    letters.put(a=1)
    reader = Reader(view)
    await reader.next()
    for other in (
        View(QUESTION, {"alerts": letters}, "b", lambda: "1"),
        View(Question(("alerts",), name="x"), {"alerts": letters}, "a", lambda: "1"),
    ):
        assert await Reader(other, reader.id).next() == {"a": 1}


async def test_a_closed_view_ends_its_readers() -> None:
    _, view = made()
    reader = Reader(view)
    await reader.next()
    view.close()
    try:
        await reader.next()
    except StopAsyncIteration:
        return
    raise AssertionError("it went on")
