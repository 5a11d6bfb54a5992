"""What every topic can do, and the topics that are said whole."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from atalaia.clock import Clock
from atalaia.errors import Transient
from services.api.domain.board import Versions

NOTHING = b""
AT_ONCE = "alerts"  # the topic that waits for nobody


class Signal:
    """Which topics have something to say."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self.urgent = asyncio.Event()

    def raise_(self, topic: str) -> None:
        self._topics.add(topic)
        if topic == AT_ONCE:
            self.urgent.set()

    def take_urgent(self) -> None:
        self.urgent.clear()
        self._topics.discard(AT_ONCE)

    def take(self) -> set[str]:
        """Return those since the last call."""
        taken, self._topics = self._topics, set()
        return taken


class Said(NamedTuple):
    """One event's data, or nothing, and how far a reader has come that has it."""

    data: bytes
    reached: int


class Topic(ABC):
    """One topic under one filter."""

    name: str

    @abstractmethod
    def horizon(self) -> int:
        """Return how far everything has come that has happened until now."""

    @abstractmethod
    async def news(self, since: int | None, until: int) -> Said | None:
        """Return what changed after `since` until a horizon, without data where nothing did.

        A snapshot, of now, where `since` is None or no longer known. None: there is nothing to say yet.
        """

    async def elsewhere(self, since: int) -> list[Said]:
        """Return what to say to whoever got `since` from another gateway, or before a restart."""
        said = await self.news(None, self.horizon())
        return [] if said is None else [said]


class Whole(Topic):
    """Something that is said whole whenever what matters of it has changed."""

    def __init__(
        self,
        name: str,
        compute: Callable[[], Awaitable[tuple[Hashable, bytes]]],
        versions: Versions,
        clock: Clock,
        changed: Callable[[str], None],
        *,
        fresh_s: float = 1.0,
        again_after_s: float | None = None,
        most_share: float = 0.05,
    ) -> None:
        """`compute` returns (what matters, JSON object); `changed` is told this topic's name.

        It is asked at most once in `fresh_s`, and so seldom that it takes up `most_share` of the time.
        After `again_after_s` it is said again though nothing that matters has changed.
        """
        self.name = name
        self._compute = compute
        self._versions = versions
        self._clock = clock
        self._tell = changed
        self._one_at_a_time = asyncio.Lock()
        self._fresh_s = fresh_s
        self._again_after_s = again_after_s
        self._most_share = most_share
        self._matters: Hashable = None
        self._body = b""
        self._changed = 0
        self._due_s = self._said_s = float("-inf")

    async def refresh(self) -> None:
        """Look whether it has changed, unless it was looked at just now."""
        async with self._one_at_a_time:
            began_s = self._clock.monotonic_s()
            if began_s < self._due_s:
                return
            try:
                matters, body = await self._compute()
            except Transient:
                return
            now_s = self._clock.monotonic_s()
            self._due_s = max(began_s + self._fresh_s, now_s + (now_s - began_s) / self._most_share)
            again = self._again_after_s is not None and now_s - self._said_s >= self._again_after_s
            if matters == self._matters and self._body and not again:
                return
            self._matters, self._body, self._said_s = matters, body, now_s
            self._changed = self._versions.next(self._clock.now().timestamp())
            self._tell(self.name)

    def horizon(self) -> int:
        return self._changed

    async def news(self, since: int | None, until: int) -> Said | None:
        if since is None:
            await self.refresh()
            return Said(marked(self._body, snapshot=True), self._changed) if self._body else None
        changed = since < self._changed <= until
        return Said(marked(self._body, snapshot=False) if changed else NOTHING, max(since, until))


def marked(body: bytes, *, snapshot: bool) -> bytes:
    """Return a JSON object with whether it is a snapshot before its other fields."""
    return (b'{"snapshot":true,' if snapshot else b'{"snapshot":false,') + body[1:]
