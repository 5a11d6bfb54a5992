"""The last few messages of the subjects that somebody follows, without asking the broker for more."""

from __future__ import annotations

from atalaia.events.metrics import Measurements
from services.api.domain.history import SubjectHistory
from services.api.domain.newest import Subject

ROWS = 60
KEPT_S = 300.0


class Tails:
    """Mutable, one owner. A subject is followed from when it was first asked for, while it is asked for."""

    def __init__(self) -> None:
        self._followed: dict[str, SubjectHistory] = {}
        self._asked_s: dict[str, float] = {}

    def hear(self, subject: str, batch: Measurements, sequence: int) -> None:
        """Take a subject's newest message."""
        tail = self._followed.get(subject)
        if tail is not None and sequence > tail.sequence:
            tail.add(batch, sequence)

    def follow(self, subject: Subject, now_s: float) -> SubjectHistory:
        """Return what there is of a subject; from now on it is followed, from its newest message on."""
        self._asked_s[subject.name] = now_s
        tail = self._followed.get(subject.name)
        if tail is None:
            tail = self._followed[subject.name] = SubjectHistory(ROWS)
            tail.add(subject.batch(), subject.sequence)
        return tail

    def __contains__(self, subject: str) -> bool:
        return subject in self._followed

    def forget(self, now_s: float) -> None:
        """Drop what nobody has asked for in a while."""
        for subject, asked_s in list(self._asked_s.items()):
            if now_s - asked_s > KEPT_S:
                del self._asked_s[subject], self._followed[subject]

    def clear(self) -> None:
        self._asked_s.clear()
        self._followed.clear()
