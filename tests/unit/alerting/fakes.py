"""A stream and a store in memory, as judging sees them; and a process that dies when it commits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import count

from atalaia.broker.pull import Stored
from atalaia.errors import Transient
from atalaia.events.subjects import partition_in
from atalaia.service import Instruments
from services.alerting.domain.alert import Alert, Change, Key
from services.alerting.domain.rules import Rules
from services.alerting.handlers.judging import Judging
from services.alerting.ports import Census, Lease, Letter, Position, Whereabouts

CREATED = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


class Fate(Enum):
    """What becomes of a commit."""

    DONE = auto()
    DIES_BEFORE = auto()
    DIES_AFTER = auto()
    FAILS_BEFORE = auto()
    FAILS_AFTER = auto()  # done, but nobody was told


class SteadyClock:
    """Two seconds pass whenever somebody looks: every turn of the loop is worth a commit."""

    def __init__(self) -> None:
        self._seconds = count(step=2)

    def now(self) -> datetime:
        return CREATED

    def monotonic_s(self) -> float:
        return float(next(self._seconds))


class ListedStream:
    """A stream that holds a list; readers are handed a few messages at a time."""

    def __init__(self, messages: Sequence[Stored], at_once: int) -> None:
        self.messages = messages
        self.at_once = at_once

    async def created(self) -> tuple[datetime, int, int]:
        return CREATED, 1, len(self.messages)

    async def newest(self, partition: int, up_to: int) -> list[Stored]:
        found: dict[str, Stored] = {}
        for stored in self.messages:
            if stored.sequence <= up_to and stored.subject.endswith(f".{partition}"):
                found[stored.subject] = stored
        return list(found.values())

    async def between(self, since: datetime, up_to: int, partitions: list[int]) -> list[Stored]:
        return [one for one in self._of(partitions) if one.stored_at >= since and one.sequence <= up_to]

    def last(self, partition: int) -> int:
        return max((one.sequence for one in self._of([partition])), default=0)

    def _of(self, partitions: list[int]) -> list[Stored]:
        return [one for one in self.messages if partition_in(one.subject) in partitions]

    async def read(self, from_sequence: int) -> ListedReader:
        return ListedReader([one for one in self.messages if one.sequence >= from_sequence], self.at_once)


class ListedReader:
    def __init__(self, messages: Sequence[Stored], at_once: int) -> None:
        self._left = list(messages)
        self._at_once = at_once
        self.arrived = asyncio.Event()

    @property
    def caught_up(self) -> bool:
        return not self._left

    def take(self) -> list[Stored]:
        taken, self._left = self._left[: self._at_once], self._left[self._at_once :]
        self.arrived.clear()
        if self._left:
            self.arrived.set()
        return taken

    async def close(self) -> None:
        return


class MemoryAlertStore:
    """What is committed. A commit that dies tells `died` and never returns, as to a killed process."""

    def __init__(self, partitions: Iterable[int]) -> None:
        self.positions = dict.fromkeys(partitions, Position(None, 0, None))
        self.alerts: dict[str, Alert] = {}
        self.told: list[Change] = []
        self.ids = count(1)
        self._known: set[tuple[str, int]] = set()
        self.fates: list[Fate] = []
        self.committed = asyncio.Event()
        self.died = asyncio.Event()
        self.leased = list(self.positions)
        self._fence = 0

    async def lately_fired(self, partitions: Sequence[int]) -> list[tuple[Key, datetime]]:
        fired = [(one.key, one.fired_at) for one in self.alerts.values() if one.fired_at is not None]
        return sorted(fired, key=lambda one: one[1])

    async def census(self) -> Census:
        return Census(replicas=1, vacant=0)

    async def acquire(self, most: int) -> list[Lease]:
        self._fence += 1
        return [Lease(partition, self._fence, self.positions[partition]) for partition in self.leased]

    async def release(self, fences: Mapping[int, int]) -> None:
        return

    async def load(self, partitions: Sequence[int]) -> list[Alert]:
        return [alert for alert in self.alerts.values() if alert.partition in partitions and not alert.over]

    async def commit(
        self,
        fences: Mapping[int, int],
        position: Position,
        changes: Iterable[Change],
        *,
        judged: Mapping[int, int],
    ) -> None:
        fate = self.fates.pop(0) if self.fates else Fate.DONE
        if fate not in (Fate.DIES_BEFORE, Fate.FAILS_BEFORE):
            self._write(fences, position, changes, judged)
        if fate in (Fate.FAILS_BEFORE, Fate.FAILS_AFTER):
            raise Transient("postgres: the connection was lost")
        if fate is not Fate.DONE:
            self.died.set()
            await asyncio.Future()
        self.committed.set()

    def _write(
        self,
        fences: Mapping[int, int],
        position: Position,
        changes: Iterable[Change],
        judged: Mapping[int, int],
    ) -> None:
        for partition in fences:
            sequence = max(position.sequence, judged[partition])
            self.positions[partition] = replace(position, sequence=sequence)
        for change in changes:
            if change.withdrawn:
                self.alerts.pop(change.alert.alert_id, None)
            else:
                self.alerts[change.alert.alert_id] = change.alert
            told = (change.alert.alert_id, change.alert.sequence)
            if change.transition is not None and told not in self._known:
                self._known.add(told)
                self.told.append(change)

    async def whereabouts(self, alert_id: str) -> Whereabouts | None:
        alert = self.alerts.get(alert_id)
        return Whereabouts(alert.state.value, "here") if alert else None


class NoDeadLetters:
    async def bury(self, letters: Sequence[Letter]) -> None:
        return


async def judge_all(
    store: MemoryAlertStore, stream: ListedStream, rules: Rules, *, up_to: int | None = None
) -> None:
    """Judge until the stream is judged, of each partition its last message or all `up_to` a sequence.

    Whenever the process died, begin anew.
    """
    while True:
        store.died.clear()
        judging = Judging(
            store=store,
            stream=stream,
            dead=NoDeadLetters(),
            clock=SteadyClock(),
            rules=rules,
            new_id=lambda at: f"{next(store.ids):06}",
            announce=lambda: None,
            instruments=Instruments(),
            started=asyncio.Event(),
            retry_after_s=0.0,
        )
        running = asyncio.create_task(judging.run())
        try:
            async with asyncio.timeout(10):
                while not store.died.is_set():
                    lasts = {one: up_to or stream.last(one) for one in store.leased}
                    if all(store.positions[one].sequence >= last for one, last in lasts.items()):
                        return
                    assert not running.done(), running.exception()
                    await asyncio.sleep(0)
        finally:
            running.cancel()
            await asyncio.wait({running})
