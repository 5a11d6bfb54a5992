"""What judging holds from one failure to the next, and what of it is ready to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from atalaia.events.subjects import PARTITIONS
from services.alerting.domain.alert import Change
from services.alerting.domain.judge import Judge
from services.alerting.handlers.reading import BatchReader
from services.alerting.handlers.writing import Judged
from services.alerting.ports import DeadLetters, Letter, Position

BURYING_AT_MOST = 50  # rounds of dead letters under way


@dataclass
class Session:
    """What one replica holds from one failure to the next."""

    judge: Judge
    reader: BatchReader
    fences: dict[int, int]
    positions: dict[int, int]
    created: datetime
    position: Position
    changes: list[Change] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    burying: set[asyncio.Task[None]] = field(default_factory=set)
    handed_s: float = 0.0
    ticked_s: float = 0.0
    unfair: bool = False

    def judges(self, partition: int) -> bool:
        """Return whether a partition is judged here. What is in none is whoever's who holds all."""
        return partition in self.fences or (partition < 0 and len(self.fences) == PARTITIONS)

    def share_of(self, messages: int) -> int:
        """Return about how many of some messages, of whatever partition, are to be judged here."""
        return -(-messages * len(self.fences) // PARTITIONS)

    def taken(self) -> list[Change]:
        """Return the changes, with what is to be said; from here on they are somebody else's."""
        changes, self.changes = self.changes, []
        return [change.spoken() for change in changes]

    def judged(self, dead: DeadLetters, asked: Sequence[asyncio.Future[None]] = ()) -> Judged:
        """Return what is to be written by now; what nobody can process is buried meanwhile."""
        letters, self.letters = self.letters, []
        buried = asyncio.create_task(dead.bury(letters)) if letters else None
        if buried is not None:
            self.burying.add(buried)
            buried.add_done_callback(self._buried)
        return Judged(self.position, self.taken(), asked, buried)

    def _buried(self, task: asyncio.Task[None]) -> None:
        self.burying.discard(task)
        if not task.cancelled():
            task.exception()  # whoever writes hears of it; where nobody does, it is judged again

    async def room(self) -> None:
        """Wait while much is being buried."""
        while len(self.burying) > BURYING_AT_MOST:
            await asyncio.wait(self.burying, return_when=asyncio.FIRST_COMPLETED)
