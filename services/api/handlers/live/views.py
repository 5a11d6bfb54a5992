"""One question, and everybody who asks it: each event is made once for all of them.

Nothing is queued for a reader. It holds how far it has come; what is said to it next depends on
that alone, and is made when the first of those who have come as far asks for it. So a slow
reader costs no memory, and meets the newest state when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.api.domain.question import Place, Question
from services.api.handlers.live.topics import NOTHING, Said, Topic

FIRST = b"retry: 1000\n\n"
ALIVE = b": alive\n\n"
ALIVE_EVERY_S = 15.0
PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How far a reader has come in a topic as another gateway counts it."""

    reached: int


Reached = tuple[int | Elsewhere | None, ...]  # by topic, in the question's order


class _Chunk(NamedTuple):
    """Events for all who have come equally far, and how far they have come with them."""

    body: bytes
    reached: Reached


class View:
    """`gateway` and `stream` name what gives an event's numbers their meaning."""

    def __init__(
        self, question: Question, topics: Mapping[str, Topic], gateway: str, stream: Callable[[], str]
    ) -> None:
        self.question = question
        self._gateway = gateway
        self._stream = stream
        self.readers = 0
        self._closed = False
        self._topics = topics
        self._turned = asyncio.Event()
        self._made: dict[Reached, asyncio.Task[_Chunk]] = {}
        # of the last turn, not of now: so all have come equally far after it, however far they had before
        self._until = self._horizons()

    def turn(self) -> None:
        """Let everybody look again: something has changed."""
        self._made.clear()
        self._until = self._horizons()
        self._turned.set()
        self._turned = asyncio.Event()

    def close(self) -> None:
        """Let everybody's stream end."""
        self._closed = True
        self.turn()

    async def read(self, came_with: Place | None) -> AsyncIterator[bytes]:
        """Yield pieces of events for one reader, until it is closed."""
        reached = self._reached(came_with)
        yield FIRST
        while not self._closed:
            turned = self._turned  # before looking: a turn meanwhile is not missed
            body, reached = await self._chunk(reached)
            for first in range(0, len(body), PIECE_BYTES):
                yield body[first : first + PIECE_BYTES]  # the very same bytes where it is one piece
            body = NOTHING  # perhaps a large snapshot: not to be kept while nothing happens
            while not await _within(turned, ALIVE_EVERY_S):
                yield ALIVE

    def _reached(self, place: Place | None) -> Reached:
        if place is None or place.mark != self.question.mark:
            return tuple(None for _ in self._topics)
        reached = [place.reached.get(topic) for topic in self._topics]
        here = place.gateway == self._gateway and place.stream == self._stream()
        return tuple(
            number if here or number is None else self._foreign(place, topic, number)
            for topic, number in zip(self._topics, reached, strict=True)
        )

    def _foreign(self, place: Place, topic: str, number: int) -> int | Elsewhere | None:
        if topic == "points":  # counted by the stream, whichever gateway reads it
            return number if place.stream == self._stream() else None
        return Elsewhere(number)

    async def _chunk(self, reached: Reached) -> _Chunk:
        making = self._made.get(reached)
        if making is None:
            making = self._made[reached] = asyncio.create_task(self._make(reached))
        return making.result() if making.done() else await asyncio.shield(making)

    async def _make(self, reached: Reached) -> _Chunk:
        now, until = list(reached), self._until
        parts: list[bytes] = []
        for index, topic in enumerate(self._topics.values()):
            for said in await _news(topic, now[index], until[index]):
                now[index] = said.reached
                if said.data:
                    parts.append(self._event(topic.name, said.data, now))
        return _Chunk(b"".join(parts), tuple(now))

    def _horizons(self) -> list[int]:
        return [topic.horizon() for topic in self._topics.values()]

    def _event(self, topic: str, data: bytes, reached: list[int | Elsewhere | None]) -> bytes:
        known = {name: one for name, one in zip(self._topics, reached, strict=True) if isinstance(one, int)}
        place = Place(self._gateway, self._stream(), self.question.mark, known)
        return b"event: %b\nid: %b\ndata: %b\n\n" % (topic.encode(), place.spelt().encode(), data)


async def _news(topic: Topic, reached: int | Elsewhere | None, until: int) -> list[Said]:
    if isinstance(reached, Elsewhere):
        return await topic.elsewhere(reached.reached)
    said = await topic.news(reached, until)
    return [] if said is None else [said]


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
