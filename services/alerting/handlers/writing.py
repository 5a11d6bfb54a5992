"""Writing: what is judged goes to the store beside the judging, in order, until it is there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from atalaia.errors import Transient
from services.alerting.domain.alert import Change
from services.alerting.ports import LeaseLost, Position

CHANGES_AT_ONCE = 4000
COMPACTED_FROM = 20_000  # changes in waiting
WAITING_AT_MOST = 100_000  # changes, of about 1 KiB each
AHEAD = 2 * CHANGES_AT_ONCE  # changes: enough for the store never to wait for the judging
STUCK_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided up to a position, and who waits for it to be written.

    `buried`: done when everything up to there that nobody can process is kept.
    """

    position: Position
    changes: Sequence[Change] = ()
    asked: Sequence[asyncio.Future[None]] = ()
    buried: asyncio.Task[None] | None = None


Write = Callable[[Position, Sequence[Change]], Awaitable[None]]


class Writing:
    """Writes for one session. A store that is away is tried again: judging goes on meanwhile."""

    def __init__(
        self,
        write: Write,
        *,
        written: Callable[[Sequence[Change]], None],
        failed: Callable[[Transient], None],
        retry_after_s: float,
    ) -> None:
        """`write` does it all or not at all, and may be told the same twice."""
        self._write = write
        self._written = written
        self._failed = failed
        self._retry_after_s = retry_after_s
        self._queue: deque[Judged] = deque()
        self._more = asyncio.Event()
        self._progress = asyncio.Event()
        self._stuck = False
        self._compact_at = COMPACTED_FROM
        self.waiting = 0

    @property
    def idle(self) -> bool:
        """Return whether all is written."""
        return not self._queue

    def add(self, judged: Judged) -> None:
        """Take what is to be written.

        Raises:
            Transient: more waits than may be held; all that does is to be judged again.
        """
        self._queue.append(judged)
        self.waiting += len(judged.changes)
        if self.waiting >= self._compact_at:
            self._compact()
        if self.waiting > WAITING_AT_MOST:
            raise Transient(f"{self.waiting} changes wait to be written")
        self._more.set()

    async def room(self) -> None:
        """Wait while the store is at work on more than enough: else it would be left alone with a rest.

        For a store that is away, or does nothing for a while, nobody waits.
        """
        while self.waiting > AHEAD and not self._stuck:
            self._progress.clear()
            try:
                async with asyncio.timeout(STUCK_AFTER_S):
                    await self._progress.wait()
            except TimeoutError:
                self._stuck = True

    async def run(self) -> None:
        """Write for ever.

        Raises:
            LeaseLost: the partitions are somebody else's; nothing more of this session may be written.
            Transient: what nobody can process cannot be kept; it must not be passed.
        """
        while True:
            while not self._queue:
                self._more.clear()
                await self._more.wait()
            taken = self._next()
            changes = [change for judged in taken for change in judged.changes]
            for judged in taken:
                if judged.buried is not None:
                    await asyncio.shield(judged.buried)
            try:
                await self._write(taken[-1].position, changes)
            except LeaseLost:
                raise
            except Transient as error:
                self._stuck = True
                self._progress.set()
                self.refuse(error)
                self._failed(error)
                await asyncio.sleep(self._retry_after_s)
                continue
            for _ in taken:
                self.waiting -= len(self._queue.popleft().changes)
            self._stuck = False
            self._progress.set()
            self._written(changes)
            for judged in taken:
                for asked in judged.asked:
                    if not asked.done():
                        asked.set_result(None)

    def _next(self) -> list[Judged]:
        """Return the first of the queue, and as much after it as one transaction should hold."""
        taken, changes = [self._queue[0]], len(self._queue[0].changes)
        for judged in islice(self._queue, 1, None):
            changes += len(judged.changes)
            if changes > CHANGES_AT_ONCE:
                break
            taken.append(judged)
        return taken

    def _compact(self) -> None:
        """Drop what a later change of the same alert makes needless; of transitions, none is."""
        later: set[str] = set()
        compacted: deque[Judged] = deque()
        for judged in reversed(self._queue):
            kept = []
            for change in reversed(judged.changes):
                alert_id = change.alert.alert_id
                if change.transition is not None or alert_id not in later:
                    kept.append(change)
                later.add(alert_id)
            compacted.appendleft(replace(judged, changes=kept[::-1]))
        self._queue = compacted
        self.waiting = sum(len(judged.changes) for judged in compacted)
        self._compact_at = min(max(COMPACTED_FROM, 2 * self.waiting), WAITING_AT_MOST)

    def refuse(self, error: Transient) -> None:
        """Keep nobody waiting for a store that is away. What was asked for may yet be done."""
        for judged in self._queue:
            for asked in judged.asked:
                if not asked.done():
                    asked.set_exception(Transient(str(error)))
