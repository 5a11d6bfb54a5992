"""One flight per key in this process: whoever asks while it is under way waits for the same answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from atalaia.cache.patterns import Pattern
from atalaia.resilience.ending import ended

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Flight(Generic[T]):
    """`calling_since_s`: when it called the function; None before, while it looks elsewhere.

    `void` once the key was invalidated: what it brings is for those who wait for it already.
    """

    key: str
    calling_since_s: float | None = None
    void: bool = False
    task: asyncio.Task[T] = field(init=False)


Fly = Callable[[Flight[T]], Coroutine[Any, Any, T]]


class Closed(Exception):
    """The cache was closed while somebody waited. Never leaves this package."""


class Flights(Generic[T]):
    """Owns the tasks; a caller that is cancelled leaves the flight to the others."""

    def __init__(self) -> None:
        self._current: dict[str, Flight[T]] = {}  # those to join
        self._all: set[Flight[T]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def join(self, key: str, fly: Fly[T], *, most_s: float) -> tuple[T, bool]:
        """Return a flight's answer, and whether it was started for this call.

        A function that was called `most_s` ago hangs, for all one knows: whoever finds out starts another.
        What a flight raises reaches everybody who waits for it.
        """
        while (flight := self._current.get(key)) is not None:
            since_s = flight.calling_since_s
            left_s = most_s if since_s is None else since_s + most_s - time.monotonic()
            if left_s <= 0:
                break
            await asyncio.wait({flight.task}, timeout=left_s)
            if flight.task.done():
                return _result(flight), False
        flight = self.start(key, fly)
        await asyncio.wait({flight.task})
        return _result(flight), True

    def start(self, key: str, fly: Fly[T], *, joined: bool = True) -> Flight[T]:
        """Start a flight that nobody has to wait for. `joined`: it is the one to join from now on."""
        flight = Flight[T](key)
        self._all.add(flight)
        if joined:
            self._current[key] = flight
        flight.task = self.spawn(fly(flight))
        flight.task.add_done_callback(lambda _: self._landed(flight))
        return flight

    def under_way(self, key: str) -> bool:
        return key in self._current

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run what belongs to the cache and ends with it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def void(self, pattern: Pattern) -> None:
        """Let nobody else join what began before now, and let it not be kept."""
        for flight in self._all:
            if pattern.may_mean(flight.key):
                flight.void = True
                self._leave(flight)

    async def close(self, *, within_s: float) -> None:
        await ended(self._tasks, within_s=within_s)

    def _landed(self, flight: Flight[T]) -> None:
        self._all.discard(flight)
        self._leave(flight)

    def _leave(self, flight: Flight[T]) -> None:
        if self._current.get(flight.key) is flight:
            del self._current[flight.key]

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who waited have seen it; nobody may have


def _result(flight: Flight[T]) -> T:
    if flight.task.cancelled():
        raise Closed
    return flight.task.result()
