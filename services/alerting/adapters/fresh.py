"""What this process has just committed to the outbox, and may publish without asking the table."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from atalaia.broker import Outgoing
from atalaia.events.alerts import SEVERITY_HEADER
from atalaia.events.headers import headers

CLAIM_S = 10
PUBLISH_WITHIN_S = 5.0
KEPT_AT_MOST = 10_000  # rows, of about 2 KiB each
AT_ONCE = 2000  # rows


class Row(NamedTuple):
    """A row of the outbox. Of one alert, whoever writes has the others wait: ids are in its order."""

    id: int
    alert_id: str
    message: Outgoing


class Fresh:
    """Rows that their writer has claimed by the insert itself.

    While `behind` is false, all rows of this holder are here, no other holder has rows of the alerts
    that it judges, and the table need not be asked. Whatever makes that doubtful sets `behind`: then
    what the table holds up to a `horizon` leaves first, asked for there, alert by alert in order.
    """

    def __init__(self, *, at_most: int = KEPT_AT_MOST) -> None:
        self._at_most = at_most
        self._commits: deque[tuple[float, Sequence[Row]]] = deque()
        self._count = 0
        self.behind = True
        self.horizon: int | None = None
        """The last id that is the table's to give; None: nobody has looked yet, and nothing is kept."""
        self.changes = 0
        """Who looks at the table compares before and after."""
        self.news = asyncio.Event()
        """Something came, or became doubtful."""

    def doubt(self) -> None:
        """Leave all to the table: it may hold something that must leave first."""
        self._leave_to_the_table()
        self.news.set()

    def _leave_to_the_table(self) -> None:
        self._commits.clear()
        self._count = 0
        self.behind, self.horizon = True, None
        self.changes += 1

    def add(self, rows: Sequence[Row], *, claimed_s: float) -> None:
        """Take what a commit has inserted, claimed no earlier than `claimed_s` (monotonic)."""
        self.news.set()
        if self.behind and (self.horizon is None or rows[0].id <= self.horizon):
            if self.horizon is not None:
                self.horizon = max(self.horizon, rows[-1].id)
            self.changes += 1
            return
        self._commits.append((claimed_s, rows))
        self._count += len(rows)
        if self._count > self._at_most:
            self.doubt()

    def looked(self, changes: int, first: int | None, last: int | None) -> None:
        """Hear of the first and the last id in the table, read after `changes` was."""
        if changes != self.changes:
            return
        if self.horizon is None:
            self.horizon = last or 0
        elif first is None or first > self.horizon:
            self.behind = False
        else:  # somebody else's, for as long as it takes: meanwhile nothing may wait for it but its alert
            self._leave_to_the_table()

    def take(self, now_s: float) -> list[Row]:
        """Return what may be published now, in order. Claims that run out meanwhile are not used."""
        taken: list[Row] = []
        while not self.behind and self._commits and len(taken) < AT_ONCE:
            claimed_s, rows = self._commits[0]
            if now_s + PUBLISH_WITHIN_S > claimed_s + CLAIM_S:
                self.doubt()
                return []
            self._commits.popleft()
            self._count -= len(rows)
            taken += rows
        return taken


def waves(rows: Sequence[Row]) -> list[list[Row]]:
    """Return rows such that each list holds an alert once, after the lists with its earlier rows.

    What a broker refuses of one list must not be overtaken, so the next waits for all of it.
    """
    found: list[list[Row]] = []
    seen: dict[str, int] = {}
    for row in rows:
        number = seen.get(row.alert_id, 0)
        seen[row.alert_id] = number + 1
        if number == len(found):
            found.append([])
        found[number].append(row)
    return found


def message(alert_id: str, sequence: int, subject: str, severity: str, at: datetime, body: bytes) -> Outgoing:
    """Return the announcement of a transition; the same one whoever sends it, and however often."""
    about = headers(message_id=f"{alert_id}:{sequence}", type="alert", source="alerting", at=at)
    about[SEVERITY_HEADER] = severity
    return Outgoing(subject, body, about)
