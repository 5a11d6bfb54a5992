"""Sources that publish once a second, whatever the broker does: well-behaved ones and others."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from tests.system.storm.books import BAD, QUIET, WORSE

SERIES = 20
DISTURBED = 0.05
ACK_WITHIN_S = 2.0
AWAY = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)
MINUTE, DAY = timedelta(seconds=60), timedelta(days=1)


@dataclass(slots=True)
class Habits:
    """How a source behaves. `steps`: by how much its clock is wrong now and then."""

    falls_silent_after: int | None = None
    steps: timedelta = timedelta(0)
    steady: bool = False
    disturbs: bool = True


def habits_of(number: int, dice: random.Random, *, days: bool) -> Habits:
    """Return the habits of source `number`: of twenty, thirteen or more are well-behaved."""
    match number % 20:
        case 0:
            return Habits(falls_silent_after=dice.randint(4, 60), disturbs=False)
        case 1:
            return Habits(steps=MINUTE, disturbs=False)
        case 2:
            return Habits(steps=-MINUTE, disturbs=False)
        case 3:
            return Habits(steps=DAY if days else MINUTE, disturbs=False)
        case 4:
            return Habits(steps=-DAY if days else -MINUTE, disturbs=False)
        case 5:
            return Habits(steady=True)
        case _:
            return Habits()


@dataclass(slots=True)
class Source:
    """One source: what it says next. `waiting` is what the broker has not acknowledged."""

    name: str
    habits: Habits
    dice: random.Random
    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    taken: deque[bytes] = field(default_factory=lambda: deque(maxlen=4))
    said: int = 0
    _level: float = QUIET
    _left: int = 0
    _wrong_for: int = 0
    _right_for: int = 0

    @property
    def subject(self) -> str:
        return f"atalaia.metrics.storm.{self.name}.{self.name}"

    @property
    def silent(self) -> bool:
        after = self.habits.falls_silent_after
        return after is not None and self.said >= after

    def speak(self, now: datetime, *, last: bool = False) -> None:
        """Measure once more. The last word is good, by a clock that is right."""
        at, value = (now, QUIET) if last else (now + self._error(), self._value())
        self.said += 1
        gauges = {"storm.value": value} | {f"storm.filler_{n}": value * n for n in range(1, SERIES - 1)}
        gauges["storm.steady"] = 0.9 if self.habits.steady else 0.1
        body = {"source": self.name, "kind": "storm", "at": at.isoformat(), "interval_s": 1.0}
        self.waiting.append((f"{self.name}:{self.said}", json.dumps(body | {"gauges": gauges}).encode()))

    def _value(self) -> float:
        if self.habits.falls_silent_after is not None:
            return BAD  # it falls silent while it fires
        if self._left == 0:
            self._level = self.dice.choice([level for level in (QUIET, BAD, WORSE) if level != self._level])
            self._left = self.dice.randint(1, 6)
        self._left -= 1
        return self._level

    def _error(self) -> timedelta:
        if not self.habits.steps:
            return timedelta(0)
        if self._right_for == self._wrong_for == 0:
            self._right_for, self._wrong_for = self.dice.randint(5, 25), self.dice.randint(3, 14)
        if self._right_for:
            self._right_for -= 1
            return timedelta(0)
        self._wrong_for -= 1
        return self.habits.steps


class Traffic:
    """`sources` × 20 series a second; each message is sent until it is acknowledged, in order, under one id.

    Now and then the last few are sent again, in any order: late, doubled, shuffled.
    """

    def __init__(self, jetstream: JetStreamContext, *, sources: int, seed: int, days: bool = False) -> None:
        self._jetstream = jetstream
        self._dice = random.Random(seed)
        self.sources = [self._source(n, days=days) for n in range(sources)]
        self.acknowledged: dict[str, int] = {}
        self._settling = False
        self._paused = asyncio.Event()
        self._paused.set()

    def _source(self, number: int, *, days: bool) -> Source:
        dice = random.Random(self._dice.random())
        return Source(f"storm-{number}", habits_of(number, dice, days=days), dice)

    @property
    def samples(self) -> int:
        return len(self.acknowledged) * SERIES

    @property
    def silent(self) -> set[str]:
        return {source.name for source in self.sources if source.silent}

    @property
    def steady(self) -> set[str]:
        return {source.name for source in self.sources if source.habits.steady}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for source in self.sources:
                group.create_task(self._one(source))

    def settle(self) -> None:
        """Let every source that still speaks send one good value more, and end."""
        self._settling = True

    @asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Let nothing be on its way to the broker for as long as the context lasts."""
        self._paused.clear()
        try:
            while any(source.waiting for source in self.sources):
                await asyncio.sleep(0.05)
            await asyncio.sleep(ACK_WITHIN_S)  # what was given up on may still arrive
            yield
        finally:
            self._paused.set()

    async def _one(self, source: Source) -> None:
        await asyncio.sleep(self._dice.random())
        sending: asyncio.Task[None] | None = None
        while not self._settling:
            await self._paused.wait()
            if not source.silent:
                source.speak(datetime.now(UTC))
            if sending is None or sending.done():
                sending = asyncio.create_task(self._send(source))
            await asyncio.sleep(1.0)
            if sending.done() and source.habits.disturbs and source.dice.random() < DISTURBED:
                await self._disturb(source)
        if sending is not None:
            await sending
        if source.habits.falls_silent_after is None:
            source.speak(datetime.now(UTC), last=True)
        await self._send(source)

    async def _send(self, source: Source) -> None:
        while source.waiting:
            message_id, body = source.waiting[0]
            try:
                answer = await self._jetstream.publish(
                    source.subject, body, timeout=ACK_WITHIN_S, headers={"Nats-Msg-Id": message_id}
                )
            except AWAY:
                await asyncio.sleep(0.2)
                continue
            source.waiting.popleft()
            source.taken.append(body)
            self.acknowledged[message_id] = answer.seq

    async def _disturb(self, source: Source) -> None:
        """Send what was taken already once more, in any order, some of it twice."""
        again = [source.dice.choice(source.taken) for _ in range(len(source.taken))]
        for body in again:
            try:
                await self._jetstream.publish(source.subject, body, timeout=ACK_WITHIN_S)
            except AWAY:
                return
