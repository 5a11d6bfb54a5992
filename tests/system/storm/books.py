"""What was sent, and what must therefore be announced: exact, because judging goes by event time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOLD_FOR = timedelta(seconds=2)
THRESHOLD = 0.5
HOLDING = {"storm": HOLD_FOR, "storm-now": timedelta(0)}
RULES = "rules:\n" + "".join(
    f"""\
  - name: {name}
    metric: storm.value
    thresholds: {{warning: {THRESHOLD}}}
    for: {hold_for.total_seconds():g}s
    summary: "{{source}} at {{value}}"
"""
    for name, hold_for in HOLDING.items()
)


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One transition: of which rule, whose, which, and at what moment of event time."""

    rule: str
    source: str
    transition: str
    at: datetime


class SourceBook:
    """One source: the next value, and what the values so far must have led to."""

    def __init__(self, source: str, dice: random.Random) -> None:
        self.source = source
        self._dice = dice
        self._bad = False
        self._left = dice.randint(1, 6)
        self._since: datetime | None = None
        self._fired: set[str] = set()
        self.expected: list[Entry] = []

    def value(self, at: datetime) -> float:
        """Return the value to send as measured `at`, and note what it means."""
        if self._left == 0:
            self._bad = not self._bad
            self._left = self._dice.randint(1, 6)
        self._left -= 1
        self._note(at)
        return 0.9 if self._bad else 0.1

    def settle(self) -> None:
        """Send only good values from now on."""
        self._bad, self._left = False, 10**9

    def _note(self, at: datetime) -> None:
        if not self._bad:
            self.expected += [Entry(rule, self.source, "resolved", at) for rule in sorted(self._fired)]
            self._since = None
            self._fired.clear()
            return
        self._since = self._since or at
        for rule, hold_for in HOLDING.items():
            if rule not in self._fired and at - self._since >= hold_for:
                self._fired.add(rule)
                self.expected.append(Entry(rule, self.source, "fired", at))


@dataclass(slots=True)
class Balance:
    """Expected against seen. `doubled` are transitions announced under more than one id."""

    expected: int
    seen: int
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


def compare(expected: Iterable[Entry], seen: Iterable[tuple[str, Entry]]) -> Balance:
    """Compare the books with (alert_id, entry) as announced, repeats of one message id removed."""
    wanted, listed = Counter(expected), list(seen)
    found = Counter(entry for _, entry in listed)
    balance = Balance(expected=wanted.total(), seen=found.total())
    balance.lost = sorted((wanted - found).elements())
    surplus = found - wanted
    balance.doubled = sorted(entry for entry in surplus.elements() if entry in wanted)
    balance.invented = sorted(entry for entry in surplus.elements() if entry not in wanted)
    told: dict[str, list[str]] = {}
    for alert_id, entry in listed:
        told.setdefault(alert_id, []).append(entry.transition)
    whole = (["fired"], ["fired", "resolved"])
    balance.disordered = [alert_id for alert_id, order in told.items() if order not in whole]
    return balance
