"""The newest values of the sources that a reader asks for."""

from __future__ import annotations

import json
from collections.abc import Callable

from atalaia.clock import Clock
from services.api.domain.board import Board, Versions
from services.api.domain.newest import Newest, Subject
from services.api.domain.question import Sources
from services.api.handlers.live.topics import NOTHING, Said, Topic
from services.api.handlers.newest_values import NewestValues


class Fleet:
    """Which sources have news, since when. One for all readers; `ready` once everything stored was read."""

    def __init__(
        self, newest: Newest, news: Callable[[], set[str]], versions: Versions, clock: Clock
    ) -> None:
        """`news` returns the names of the subjects with a message since the last call."""
        self.ready = False
        self._newest = newest
        self._news = news
        self._versions = versions
        self._clock = clock
        self._board: Board[str, Subject] = Board()
        self._stale: set[str] = set()
        self._touched: list[Subject] = []

    def begin(self) -> None:
        """Count from here: what came before is in every snapshot."""
        self._news()
        self._board = Board(began=self._versions.next(self._clock.now().timestamp()))
        self.ready = True

    def touched(self) -> list[Subject]:
        """Return those that have changed since the last call."""
        self.catch_up()
        touched, self._touched = self._touched, []
        return touched

    def catch_up(self) -> int:
        """Take what has arrived until now, and return how far that is."""
        if self.ready:
            self._take(self._news())
        return self._versions.newest

    def look(self) -> None:
        """Find those that time alone has changed: stale now, or no longer, or forgotten."""
        stale = {one.name for one in self._newest.subjects() if self._newest.stale(one)}
        forgotten = {name for name, _ in self._board.whole() if self._newest.get(name) is None}
        self._take((stale ^ self._stale) | forgotten)
        self._stale = stale

    def between(self, version: int, until: int) -> tuple[list[Subject], list[Subject]] | None:
        """Return (those with news, those that are gone); None where that is no longer known."""
        changes = self._board.between(version, until)
        if changes is None:
            return None
        here = [one for one in changes.values if not one.left and self._newest.get(one.name) is one]
        gone = [one for one in changes.values if one.left or self._newest.get(one.name) is None]
        return here, gone

    def _take(self, names: set[str]) -> None:
        now_s = self._clock.now().timestamp()
        for name in names:
            subject = self._newest.get(name) or self._board.get(name)
            if subject is None:
                continue
            self._touched.append(subject)
            here = not subject.left and self._newest.get(name) is subject
            take = self._board.put if here else self._board.end
            take(name, subject, self._versions.next(now_s))


class MetricsTopic(Topic):
    name = "metrics"

    def __init__(self, fleet: Fleet, values: NewestValues, sources: Sources, name: str | None) -> None:
        self._fleet = fleet
        self._values = values
        self._sources = sources
        self._prefix = name

    def horizon(self) -> int:
        return self._fleet.catch_up()

    async def news(self, since: int | None, until: int) -> Said | None:
        if not self._fleet.ready:
            return None
        reached = self._fleet.catch_up()  # what is newer than the horizon is said with the next one
        changed = None if since is None else self._fleet.between(since, until)
        if since is None or changed is None:
            sources, kind, group = self._sources.source, self._sources.kind, self._sources.group
            present = self._values.present(sources, kind)
            chosen = (one for one in present if group in (None, one.group))
            return Said(
                b'{"snapshot":true,"sources":%b}' % self._values.together(chosen, self._prefix), reached
            )
        here, gone = changed
        parts = self._values.together((one for one in here if self._mine(one)), self._prefix)
        left = [{"source": one.source, "kind": one.kind} for one in gone if self._mine(one)]
        if parts == b"[]" and not left:
            return Said(NOTHING, max(since, until))
        body = b'{"snapshot":false,"sources":%b,"gone":%b}' % (parts, json.dumps(left).encode())
        return Said(body, max(since, until))

    def _mine(self, subject: Subject) -> bool:
        asked = self._sources
        return (
            asked.source in (None, subject.source)
            and asked.kind in (None, subject.kind)
            and asked.group in (None, subject.group)
        )
