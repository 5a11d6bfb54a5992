"""What this process has just committed to the outbox, and may publish without asking the table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from atalaia.broker import Outgoing
from atalaia.events.alerts import SEVERITY_HEADER
from atalaia.events.headers import headers

CLAIM_S = 10
PUBLISH_WITHIN_S = 5.0
KEPT_AT_MOST = 20_000  # rows, of about 1.5 KiB each


class Row(NamedTuple):
    """A row of the outbox. Of one alert, whoever writes has the others wait: ids are in its order."""

    id: int
    alert_id: str
    sequence: int
    subject: str
    severity: str
    at: datetime
    body: str

    def message(self) -> Outgoing:
        """Return the announcement; the same one whoever sends it, and however often."""
        message_id = f"{self.alert_id}:{self.sequence}"
        about = headers(message_id=message_id, type="alert", source="alerting", at=self.at)
        about[SEVERITY_HEADER] = self.severity
        return Outgoing(self.subject, self.body.encode(), about)


class Fresh:
    """Rows that their writer has claimed by the insert itself.

    While `behind` is false, all rows of this holder are here, no other holder has rows of the alerts
    that it judges, and the table need not be asked. Whatever makes that doubtful sets `behind`: then
    what the table holds up to a `horizon` leaves first, asked for there, alert by alert in order.
    """

    def __init__(self, *, at_most: int = KEPT_AT_MOST) -> None:
        self._at_most = at_most
        self._rows: list[tuple[float, Row]] = []
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
        self._rows = []
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
        self._rows += [(claimed_s, row) for row in rows]
        if len(self._rows) > self._at_most:
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
        """Return what may be published now: of each alert its first, so that nothing refused is overtaken.

        What is taken is published, or all of it is in doubt, before the next is taken. Claims that
        would run out meanwhile are not used.
        """
        if self.behind or not self._rows:
            return []
        if now_s + PUBLISH_WITHIN_S > self._rows[0][0] + CLAIM_S:
            self.doubt()
            return []
        taken: dict[str, Row] = {}
        kept = []
        for claimed_s, row in self._rows:
            if row.alert_id in taken:
                kept.append((claimed_s, row))
            else:
                taken[row.alert_id] = row
        self._rows = kept
        return list(taken.values())
