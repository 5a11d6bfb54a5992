"""Which message of a subject counts: the contract's rule on late, repeated and reset clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

ANEW_AFTER = 5


class Verdict(Enum):
    """What a reader does with a message. `ANEW`: its source's clock was set back; forget the order so far."""

    NEWER = auto()
    LATE = auto()
    ANEW = auto()


@dataclass(slots=True)
class Order:
    """The newest `at` of one subject, and the late ones that have come in a row since."""

    newest_at: datetime | None = None
    _late: list[datetime] = field(default_factory=list)

    def place(self, at: datetime) -> Verdict:
        """Say whether a valid message measured `at` is newer; if so it is the newest from now on.

        After five late ones in a row whose `at` rise, the next that rises starts the subject anew.
        """
        if self.newest_at is None or at > self.newest_at:
            verdict = Verdict.NEWER
        else:
            if self._late and at <= self._late[-1]:
                self._late.clear()
            self._late.append(at)
            if len(self._late) <= ANEW_AFTER:
                return Verdict.LATE
            verdict = Verdict.ANEW
        self._late.clear()
        self.newest_at = at
        return verdict


def next_at(now: datetime, newest: datetime | None) -> datetime:
    """Return a sender's next `at`: now, or just after `newest` where the clock did not move on.

    A clock that was set back by more than a second is followed: readers start anew.
    """
    if newest is not None and newest - timedelta(seconds=1) <= now <= newest:
        return newest + timedelta(microseconds=1)
    return now
