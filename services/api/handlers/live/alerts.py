"""Alerts: from their events at once, and from the database soon after, which knows more."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from atalaia.clock import Clock
from atalaia.errors import Transient
from atalaia.events.alerts import AlertTransition, Transition
from services.api.domain.active import Known
from services.api.domain.board import Board, Versions
from services.api.handlers.live.topics import NOTHING, Said, Topic
from services.api.handlers.models import AlertAnswer
from services.api.ports import AlertQuery, AlertReader, AlertRecord

SETTLES_S = 0.25  # events come in bursts
SETTLES_UNREAD_S = 2.0  # until a reader comes: nobody minds yet what only the database knows
RETRY_S = 1.0
LOOK_EVERY_S = 2.0
LOOK_EVERY_UNREAD_S = 10.0
MOST_SHARE = 0.05  # of the time, that looking takes
MOST_MISSED = 500
MOST_CURRENT = 10_000
NEVER_S = 1e10
STALE_AFTER = {Transition.WENT_STALE: True, Transition.DATA_RETURNED: False, Transition.RESOLVED: False}
LATE_MOST = timedelta(minutes=10)  # it is resolved at the time of a measurement, which may come late


class _Beside(NamedTuple):
    """What an alert's next event may leave unsaid."""

    stale: bool
    silenced: bool
    acknowledged_by: str | None
    acknowledged_until: datetime | None


NOTHING_BESIDE = _Beside(False, False, None, None)


@dataclass(slots=True)
class _Entry:
    """An alert after one of its transitions. Its record and its JSON are made when somebody asks for them."""

    sequence: int
    _known: AlertTransition | AlertRecord
    beside: _Beside
    _written: str = ""

    @property
    def record(self) -> AlertRecord:
        if isinstance(self._known, AlertTransition):
            self._known = _recorded(self._known, self.beside)
        return self._known

    @property
    def written(self) -> str:
        if not self._written:
            self._written = _written(self.record)
        return self._written


class AlertsTopic(Topic):
    """Every alert that is pending or fires, and those that lately did."""

    name = "alerts"

    def __init__(
        self, reader: AlertReader, versions: Versions, clock: Clock, changed: Callable[[str], None]
    ) -> None:
        self._reader = reader
        self._versions = versions
        self._clock = clock
        self._tell = changed
        self._board: Board[str, _Entry] = Board()
        self._heard = asyncio.Event()
        self._attended = asyncio.Event()
        self._detail = "the database was not asked yet"
        self._detail_changed = 0

    async def run(self) -> None:
        """Keep up with the database, for ever."""
        while True:
            began_s = self._clock.monotonic_s()
            self._heard.clear()
            if not await self._look():
                await asyncio.sleep(RETRY_S)
                continue
            rest_s = (self._clock.monotonic_s() - began_s) / MOST_SHARE
            look_every_s = LOOK_EVERY_S if self._attended.is_set() else LOOK_EVERY_UNREAD_S
            await _within(self._heard, max(rest_s, look_every_s))
            await _within(self._attended, SETTLES_UNREAD_S)
            await asyncio.sleep(max(rest_s, SETTLES_S))

    def attend(self, read: bool) -> None:
        """Say whether anybody reads this: then the database is looked at more often."""
        if not read:
            self._attended.clear()
        elif not self._attended.is_set():
            self._attended.set()
            self._heard.set()

    def hear(self, known: Known) -> None:
        """Take an event, at once."""
        before = self._board.last(known.alert.alert_id)
        if before is None or before.sequence < known.sequence:
            beside = _beside(known.alert, before.beside if before else NOTHING_BESIDE)
            entry = _Entry(known.sequence, known.alert, beside)
            self._put(known.alert.alert_id, entry, over=known.alert.state == "resolved")
            self._heard.set()
            self._tell(self.name)

    def horizon(self) -> int:
        return self._versions.newest

    async def news(self, since: int | None, until: int) -> Said | None:
        changes = None if since is None else self._board.between(since, until)
        if since is None or changes is None:
            return Said(self._said([entry.written for _, entry in self._board.whole()]), self.horizon())
        if not changes and not since < self._detail_changed <= until:
            return Said(NOTHING, max(since, until))
        written = [entry.written for entry in changes.values]
        return Said(self._said(written, changes.gone), max(since, until))

    async def elsewhere(self, since: int) -> list[Said]:
        said = await super().elsewhere(since)
        asked = AlertQuery("resolved", limit=MOST_MISSED, since=_moment(since) - LATE_MOST)
        try:
            missed = await self._reader.page(asked)
        except Transient:
            return said
        written = [_written(record) for record in reversed(missed)]
        return [*said, Said(self._said(written, []), said[-1].reached)] if written else said

    def _said(self, written: list[str], gone: list[str] | None = None) -> bytes:
        """Return a snapshot, or with `gone` a change."""
        left = "" if gone is None else f'"gone":{json.dumps(gone)},'
        return (
            f'{{"snapshot":{json.dumps(gone is None)},"complete":{json.dumps(not self._detail)},'
            f'"detail":{json.dumps(self._detail)},{left}"alerts":[{",".join(written)}]}}'
        ).encode()

    async def _look(self) -> bool:
        """Take what is stored; say whether it could be had."""
        before = {alert_id: entry.sequence for alert_id, entry in self._board.whole()}
        try:
            stored = await self._reader.current(list(before), MOST_CURRENT)
        except Transient as error:
            self._say(str(error))
            return False
        found = set()
        for sequence, record in stored:
            found.add(record.alert_id)
            known = self._board.last(record.alert_id)
            if known is None or (known.sequence <= sequence and known.record != record):
                entry = _Entry(sequence, record, _beside_of(record))
                self._put(record.alert_id, entry, over=record.state == "resolved")
                self._tell(self.name)
        whole = len(stored) < MOST_CURRENT  # else: what is not found may be one of the older ones
        for alert_id in before.keys() - found if whole else ():
            known = self._board.get(alert_id)
            if known is not None and known.sequence == before[alert_id]:
                self._board.end(alert_id, None, self._next())
                self._tell(self.name)
        self._say("")
        return True

    def _say(self, detail: str) -> None:
        if bool(detail) != bool(self._detail):
            self._detail_changed = self._next()
            self._tell(self.name)
        self._detail = detail

    def _put(self, alert_id: str, entry: _Entry, *, over: bool) -> None:
        take = self._board.end if over else self._board.put
        take(alert_id, entry, self._next())

    def _next(self) -> int:
        return self._versions.next(self._clock.now().timestamp())


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _beside(said: AlertTransition, before: _Beside) -> _Beside:
    """Return what is so after a transition. What no event says is as it was before."""
    if before is NOTHING_BESIDE and not said.acknowledged_by and said.transition is not Transition.WENT_STALE:
        return before  # nearly every one in a flood
    kept = before.acknowledged_by == said.acknowledged_by
    return _Beside(
        STALE_AFTER.get(said.transition, before.stale),
        before.silenced,
        said.acknowledged_by,
        before.acknowledged_until if kept else None,
    )


def _beside_of(record: AlertRecord) -> _Beside:
    return _Beside(record.stale, record.silenced, record.acknowledged_by, record.acknowledged_until)


def _recorded(said: AlertTransition, beside: _Beside) -> AlertRecord:
    return AlertRecord(
        alert_id=said.alert_id,
        transition=said.transition.value,
        at=said.at,
        rule=said.rule,
        series=said.series,
        source=said.source,
        kind=said.kind,
        group=said.group,
        severity=said.severity.value,
        state=said.state,
        value=said.value,
        threshold=said.threshold,
        started_at=said.started_at,
        summary=said.summary,
        labels=said.labels,
        resolved_at=said.at if said.state == "resolved" else None,
        resolved_by=said.resolved_by,
        acknowledged_by=said.acknowledged_by,
        acknowledged_until=beside.acknowledged_until,
        description=said.description or "",
        runbook_url=said.runbook_url or "",
        flapping=bool(said.flapping),
        stale=beside.stale,
        silenced=beside.silenced,
    )


def _moment(version: int) -> datetime:
    return datetime.fromtimestamp(min(version / 1e6, NEVER_S), UTC)


def _written(record: AlertRecord) -> str:
    return AlertAnswer.of(record).model_dump_json()
