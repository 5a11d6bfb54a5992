"""Histories loaded from the stream when asked for, kept up to date while there is room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from atalaia.broker import EnduringClient
from atalaia.broker.pull import Reader, Stored
from atalaia.errors import Invalid, Transient
from atalaia.events.streams import METRICS_STREAM
from services.api.domain.history import SubjectHistory
from services.api.domain.newest import read_valid

ROWS = 1000
AT_ONCE = 50  # messages parsed before others get a turn
QUIET_S = 5.0


@dataclass(slots=True)
class _Entry:
    history: SubjectHistory = field(default_factory=lambda: SubjectHistory(ROWS))
    heard: list[Stored] | None = field(default_factory=list)  # while it loads
    loading: asyncio.Task[None] | None = None


class StreamHistories:
    """An LRU of subjects, bounded by memory. Fed by `hear`, so that what is hot stays whole."""

    def __init__(self, client: EnduringClient, most_bytes: int) -> None:
        self._client = client
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def of(self, subject: str) -> SubjectHistory:
        entry = self._entries.get(subject)
        if entry is None:
            entry = self._entries[subject] = _Entry()
            entry.loading = asyncio.create_task(self._load(subject, entry))
        self._entries.move_to_end(subject)
        if entry.loading is not None:
            await asyncio.shield(entry.loading)
        return entry.history

    def hear(self, stored: Stored) -> None:
        """Append a message that came in, if its subject is at hand."""
        entry = self._entries.get(stored.subject)
        if entry is None:
            return
        if entry.heard is not None:
            entry.heard.append(stored)
        else:
            _add(entry.history, stored)

    def clear(self) -> None:
        self._entries.clear()

    @property
    def size_bytes(self) -> int:
        return sum(entry.history.size_bytes for entry in self._entries.values())

    async def _load(self, subject: str, entry: _Entry) -> None:
        try:
            await self._read(subject, entry.history)
        except Transient:
            if self._entries.get(subject) is entry:
                del self._entries[subject]
            raise
        for stored in entry.heard or ():
            _add(entry.history, stored)
        entry.heard = entry.loading = None
        self._make_room(subject)

    async def _read(self, subject: str, history: SubjectHistory) -> None:
        async for arrived in whole_subject(self._client, subject):
            for stored in arrived:
                _add(history, stored)

    def _make_room(self, newest: str) -> None:
        size = self.size_bytes
        for subject in list(self._entries):
            if size <= self._most_bytes:
                return
            entry = self._entries[subject]
            if subject != newest and entry.loading is None:
                size -= entry.history.size_bytes
                del self._entries[subject]


async def whole_subject(client: EnduringClient, subject: str) -> AsyncIterator[list[Stored]]:
    """Yield all that is stored of a subject, oldest first, a few messages at a time; others get turns.

    Raises:
        Transient: the broker is away.
    """
    reader = await Reader.open(client, METRICS_STREAM, subjects=[subject])
    try:
        done = reader.caught_up
        while not done:
            arrived = await reader.more(QUIET_S)
            if not arrived:
                raise Transient(f"{METRICS_STREAM}: nothing came for {QUIET_S:g} s")
            done = arrived[-1].pending == 0
            for first in range(0, len(arrived), AT_ONCE):
                yield arrived[first : first + AT_ONCE]
                await asyncio.sleep(0)
    finally:
        await reader.close()


def _add(history: SubjectHistory, stored: Stored) -> None:
    if stored.sequence <= history.sequence:
        return
    try:
        history.add(read_valid(stored.body, stored.subject, stored.stored_at), stored.sequence)
    except Invalid:
        return
