"""What the broker holds, and what must therefore have been announced.

A second judge, slow and plain: it reads what a source's messages say, in the order in
which the stream holds them, by the words of CONTRACT.md. Time is the messages' own, so the
books are exact, whatever was killed meanwhile.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

QUIET, BAD, WORSE = 0.1, 0.6, 0.9
HELD, NOW, EXTRA = "storm", "storm-now", "storm-extra"
HOLD_FOR = timedelta(seconds=2)
AHEAD_AT_MOST = timedelta(seconds=10)
HISTORY_ONLY_AFTER = timedelta(hours=1)
GAP = timedelta(seconds=60)
ANEW_AFTER = 5
_RULE = """\
  - name: {name}
    metric: storm.{metric}
    thresholds: {thresholds}
    for: {for_}
    summary: "{{source}} at {{value}}"
"""
_WHOLE_LIFE = re.compile("F(c|sd|S)*s?R?S?")
_LETTERS = {
    "fired": "F",
    "severity_changed": "c",
    "went_stale": "s",
    "data_returned": "d",
    "stabilized": "S",
    "resolved": "R",
}
JUDGED = ("fired", "severity_changed", "resolved")


def rules(*, extra: bool = True) -> str:
    """Return the storm's rules file. `extra` is the rule that comes and goes."""
    wanted = [
        (HELD, "value", "{warning: 0.5}", "2s"),
        (NOW, "value", "{warning: 0.5, critical: 0.8}", "0s"),
        *([(EXTRA, "steady", "{warning: 0.5}", "0s")] if extra else []),
    ]
    lines = (_RULE.format(name=n, metric=m, thresholds=t, for_=f) for n, m, t, f in wanted)
    return "rules:\n" + "".join(lines)


@dataclass(frozen=True, slots=True)
class Sample:
    """A message of one source, as the stream holds it. `stream` counts how often that was made anew."""

    source: str
    at: datetime
    stored_at: datetime
    value: float
    stream: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One transition: of which rule, whose, which, and at what moment of event time."""

    rule: str
    source: str
    transition: str
    severity: str
    at: datetime


class SourceBook:
    """One source: what its messages so far must have led to."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.expected: list[Entry] = []
        self.firing: dict[str, str] = {}
        self._stream = 0
        self._newest_at: datetime | None = None
        self._late: list[datetime] = []
        self._last_at: datetime | None = None
        self._since: datetime | None = None

    def take(self, sample: Sample) -> None:
        """Note what the next message in the stream's order means."""
        if sample.stream != self._stream:  # nothing in this one is newer: the order begins anew
            self._stream, self._newest_at = sample.stream, None
            self._late.clear()
        if sample.at - sample.stored_at > AHEAD_AT_MOST or not self._in_order(sample.at):
            return
        self._newest_at = sample.at
        if sample.stored_at - sample.at > HISTORY_ONLY_AFTER:
            return
        self._judge(sample.value, sample.at)
        self._last_at = sample.at

    def _in_order(self, at: datetime) -> bool:
        if self._newest_at is not None and at <= self._newest_at:
            if self._late and at <= self._late[-1]:
                self._late.clear()
            self._late.append(at)
            if len(self._late) <= ANEW_AFTER:
                return False
            self._last_at = None  # its clock was set back: what is pending starts anew
        self._late.clear()
        return True

    def _judge(self, value: float, at: datetime) -> None:
        if value <= 0.45:
            for rule in sorted(self.firing):
                self._note(rule, "resolved", at)
            self.firing.clear()
            self._since = None
            return
        if self._since is None or self._last_at is None or at - self._last_at > GAP:
            self._since = at
        if HELD not in self.firing and at - self._since >= HOLD_FOR:
            self.firing[HELD] = "warning"
            self._note(HELD, "fired", at)
        severity = "critical" if value > 0.8 else "warning"
        before = self.firing.get(NOW)
        self.firing[NOW] = severity
        if before is None:
            self._note(NOW, "fired", at)
        elif before != severity:
            self._note(NOW, "severity_changed", at)

    def _note(self, rule: str, transition: str, at: datetime) -> None:
        self.expected.append(Entry(rule, self.source, transition, self.firing[rule], at))


@dataclass(slots=True)
class Books:
    """What must have been announced, and what must fire now."""

    expected: list[Entry] = field(default_factory=list)
    firing: set[tuple[str, str]] = field(default_factory=set)


def books_of(samples: Iterable[Sample]) -> Books:
    """Return the books over everything that the stream held, in its order."""
    sources: dict[str, SourceBook] = {}
    for sample in samples:
        sources.setdefault(sample.source, SourceBook(sample.source)).take(sample)
    books = Books()
    for book in sources.values():
        books.expected += book.expected
        books.firing |= {(rule, book.source) for rule in book.firing}
    return books


@dataclass(frozen=True, slots=True)
class Told:
    """One transition as somebody tells it. `alert_id` groups them; their order is the teller's."""

    alert_id: str
    entry: Entry


@dataclass(slots=True)
class Balance:
    """Expected against seen. `doubled` are right ones announced once more; `disordered` names alerts."""

    expected: int = 0
    seen: int = 0
    lost: list[Entry] = field(default_factory=list)
    invented: list[Entry] = field(default_factory=list)
    doubled: list[Entry] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.invented or self.doubled or self.disordered)

    def line(self) -> str:
        return (
            f"expected {self.expected}, seen {self.seen}, lost {len(self.lost)}, invented "
            f"{len(self.invented)}, doubled {len(self.doubled)}, out of order {len(self.disordered)}"
        )


def weigh(expected: Iterable[Entry], seen: Iterable[Entry]) -> Balance:
    """Compare two heaps of entries, in no order."""
    wanted, found = Counter(expected), Counter(seen)
    surplus = list((found - wanted).elements())
    return Balance(
        expected=wanted.total(),
        seen=found.total(),
        lost=sorted((wanted - found).elements()),
        doubled=sorted(entry for entry in surplus if entry in wanted),
        invented=sorted(entry for entry in surplus if entry not in wanted),
    )


def compare(expected: Iterable[Entry], told: Iterable[Told]) -> Balance:
    """Compare the books with what was told, repeats of one message id removed before.

    Going stale and coming back depend on who listened when, and other tests count what flaps, so
    they are not counted; but they must come in their place in the life of an alert.
    """
    listed = [one for one in told if one.entry.rule in (HELD, NOW)]
    balance = weigh(expected, (one.entry for one in listed if one.entry.transition in JUDGED))
    lives: dict[str, str] = {}
    for one in listed:
        lives[one.alert_id] = lives.get(one.alert_id, "") + _LETTERS.get(one.entry.transition, "?")
    balance.disordered = [alert_id for alert_id, life in lives.items() if not _WHOLE_LIFE.fullmatch(life)]
    return balance
