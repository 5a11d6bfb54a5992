"""One channel's desk: what leaves when, and what an answer means.

waiting ──first, resolving: at once; others: after the group interval──► on its way
   ▲                                                                       │  │  │
   │  refused for sure: it takes on what has come since                    │  │  └─ delivered: the channel
   ├───────────────────────────────────────────────────────────────────────┘  │     has been told
   │  perhaps received: *sealed*, repeated as it is, under the same key       │
   └──────────────────────────────────────────────────────────────────────────┘
Five failures in a row open the breaker: then one try leaves every 15 s, a digest of everything
that waits. After a success all the rest leaves, in digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from atalaia.resilience.backoff import delay_s
from services.alerting.domain import flaps
from services.alerting.domain.flaps import Flap, Series
from services.alerting.domain.groups import Group, Hidden, Part, compose, portions
from services.alerting.domain.messages import Item, Kind, Message, Notice, Told, cause
from services.alerting.domain.outcomes import Outcome, Verdict

MOST_AT_ONCE = 8
FAILURES_TO_OPEN = 5
PROBE_EVERY = timedelta(seconds=15)
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0
RETRY_AFTER_MOST_S = 3600.0
REMINDERS_LOOKED_AT_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What to store of a try. `over`: this message is not tried again."""

    message: Message
    outcome: Outcome
    attempt: int
    over: bool
    retry_at: datetime | None
    sealed: bool
    told: tuple[Told, ...]
    forgotten: tuple[str, ...]
    groups: tuple[Group, ...]
    flaps: tuple[tuple[Series, Flap | None], ...]


class Desk:
    """Mutable, one owner: the replica that holds the channel. Times are given."""

    def __init__(self, channel: str, *, failures: int = 0, not_before: datetime | None = None) -> None:
        self.channel = channel
        self.failures = failures
        self.not_before = not_before
        self.next_at: datetime | None = None
        self.dropped: list[Notice] = []
        self.flaps: dict[Series, Flap] = {}
        self._groups: dict[str, Group] = {}
        self._busy: dict[str, None] = {}  # in the order in which they began to wait
        self._catching_up = failures >= FAILURES_TO_OPEN
        self._tried_at: datetime | None = None
        self._reminders_at: datetime | None = None
        self._in_flight: set[str] = set()

    @property
    def open(self) -> bool:
        """Return whether the breaker is open: the channel counts as away."""
        return self.failures >= FAILURES_TO_OPEN

    @property
    def waiting(self) -> int:
        return sum(len(group.waiting) for group in self._groups.values())

    def group(self, key: str, interval_s: float, remind_s: float | None) -> Group:
        """Return a delivery group, made where it is new; its timing is that of its newest alert."""
        group = self._groups.setdefault(key, Group(key, interval_s, remind_s))
        group.interval_s, group.remind_s = interval_s, remind_s
        return group

    def take(self, notices: Iterable[Notice]) -> None:
        """Have these wait; each alert's come in order."""
        for notice in notices:
            group = self.group(notice.group, notice.interval_s, notice.remind_s)
            group.waiting.setdefault(notice.alert_id, []).append(notice)
            group.resting = group.resting and flaps.waits(self.flaps, notice.event)
            self._busy.setdefault(group.key)

    def reopen(self, message: Message, *, tries: int, retry_at: datetime, sealed: bool) -> None:
        """Take over a message that was under way."""
        for group in self._of(message):
            group.tries, group.retry_at = tries, retry_at
            group.open_keys.add(message.key)
            group.sealed = message if sealed else None
            self._busy.setdefault(group.key)

    def due(self, now: datetime, hidden: Hidden) -> list[Message]:
        """Return what is to leave now; each counts as on its way until it has `landed`."""
        self.next_at = self.not_before
        if self.not_before is not None and now < self.not_before:
            return []
        self.next_at = None
        merged = self.open or self._catching_up
        room = (1 if self.open else MOST_AT_ONCE) - len(self._in_flight)
        if room <= 0:
            return []
        chosen = sorted(self._sealed(now, merged), key=lambda message: message.age)
        if merged:
            chosen += self._digests(now, hidden)
        else:
            chosen += self._composed(now, hidden, room)
            leaving = {key for message in chosen for key in message.groups}
            # one message of a group at a time: a second would hide what became of the first
            chosen += (one for one in self._reminders(now, hidden) if leaving.isdisjoint(one.groups))
        if not chosen and not self._in_flight and not self.open:
            self._catching_up = False
        chosen = chosen[:room]
        for message in chosen:
            self._tried_at = now
            self._in_flight.add(message.key)
            for group in self._of(message):
                group.flying = True
        return chosen

    def superseded(self, message: Message) -> list[str]:
        """Return the keys of messages that this one takes the place of."""
        return sorted({key for group in self._of(message) for key in group.open_keys} - {message.key})

    def begins(self, message: Message) -> None:
        """It is about to be stored as under way; from now on it may be."""
        for group in self._of(message):
            group.open_keys.add(message.key)

    def began(self, message: Message) -> None:
        """It is stored as under way, and what it supersedes is not."""
        for group in self._of(message):
            group.open_keys = {message.key}

    def attempt(self, message: Message) -> int:
        """Return the number of a message's next try, from 1."""
        return 1 + max((group.tries for group in self._of(message)), default=0)

    def settle(self, message: Message, outcome: Outcome, now: datetime, *, dice: float) -> Settlement:
        """Learn what a try came to. `dice` in 0..1 spreads the retries of many."""
        groups = self._of(message)
        attempt = self.attempt(message)
        told: list[Told] = []
        forgotten: list[str] = []
        flapped: dict[Series, Flap | None] = {}
        if outcome.verdict is Verdict.FAILED:
            self._failed(message, outcome, groups, attempt, now, dice)
        else:
            told, forgotten = self._over(message, outcome, groups, now)
            flapped = self._flapped(message, delivered=outcome.verdict is Verdict.DELIVERED)
        return Settlement(
            message,
            outcome,
            attempt,
            over=outcome.verdict is not Verdict.FAILED,
            retry_at=groups[0].retry_at if groups else None,
            sealed=any(group.sealed is not None for group in groups),
            told=tuple(told),
            forgotten=tuple(forgotten),
            groups=tuple(replace(group) for group in groups),
            flaps=tuple(flapped.items()),
        )

    def landed(self, message: Message) -> None:
        """The try, and what came of it, are stored (or it never left)."""
        self._in_flight.discard(message.key)
        for group in self._of(message):
            group.flying = False
            self._tidy(group)

    def _tidy(self, group: Group) -> None:
        if group.idle:
            self._busy.pop(group.key, None)
            if not group.told:
                del self._groups[group.key]

    def _of(self, message: Message) -> list[Group]:
        return [self._groups[key] for key in message.groups if key in self._groups]

    def _failed(
        self,
        message: Message,
        outcome: Outcome,
        groups: list[Group],
        attempt: int,
        now: datetime,
        dice: float,
    ) -> None:
        wait_s = min(RETRY_MOST_S, delay_s(attempt, first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S, dice=dice))
        asked_s = min(outcome.retry_after_s or 0.0, RETRY_AFTER_MOST_S)
        for group in groups:
            group.tries, group.resting = attempt, False
            group.retry_at = now + timedelta(seconds=max(wait_s, asked_s))
            group.sealed = message if outcome.maybe or group.sealed is not None else None
            self._busy.setdefault(group.key)
        self.failures += 1
        waits = [now + timedelta(seconds=asked_s)] if asked_s else []
        if self.open:
            waits.append((self._tried_at or now) + PROBE_EVERY)
        self.not_before = max(waits, default=self.not_before)

    def _over(
        self, message: Message, outcome: Outcome, groups: list[Group], now: datetime
    ) -> tuple[list[Told], list[str]]:
        delivered = outcome.verdict is Verdict.DELIVERED
        if outcome.verdict is not Verdict.EXPIRED:  # the channel has answered
            if self.open:
                self._catching_up = True
            self.failures, self.not_before = 0, None
        told, forgotten = [], []
        for item in message.items:
            alert_id = item.event.alert_id
            group = next((one for one in groups if alert_id in one.waiting or alert_id in one.told), None)
            if group is None:
                continue
            group.settled(item, delivered=delivered)
            if item.resolved:
                forgotten.append(alert_id)
            elif delivered:
                told.append(group.told[alert_id])
        for group in groups:
            if delivered:
                group.sent_at = now
                group.reminders = group.reminders + 1 if message.kind is Kind.REMINDER else 0
            group.tries, group.retry_at, group.sealed = 0, None, None
            group.open_keys.clear()
        return told, forgotten

    def _flapped(self, message: Message, *, delivered: bool) -> dict[Series, Flap | None]:
        """Learn what the channel knows of series that flap; what it did not get began not, but is over."""
        items = message.items if message.kind is not Kind.REMINDER else ()
        found = flaps.told(self.flaps, items)
        changed = {series: flap for series, flap in found.items() if delivered or flap is None}
        for series, flap in changed.items():
            if flap is None:
                self.flaps.pop(series, None)
            else:
                self.flaps[series] = flap
        if changed:  # a series may be in several groups
            for group in self._groups.values():
                group.resting = False
        return changed

    def _sealed(self, now: datetime, merged: bool) -> list[Message]:
        found: dict[str, Message] = {}
        for group in self._ready():
            if group.sealed is not None and (merged or self._reached(group.retry_at, now)):
                found[group.sealed.key] = group.sealed
        return list(found.values())

    def _composed(self, now: datetime, hidden: Hidden, room: int) -> Iterator[Message]:
        """Yield up to `room` messages, one for each group or cause, and perhaps some of causes beyond."""
        causes: dict[tuple[str, str, str], list[Part]] = {}
        for group in self._ready():
            if group.sealed is not None or not self._reached(group.retry_at, now):
                continue
            items = self._items(group, now, hidden, together=False)
            one = cause(items) if items else None
            if one is not None:
                causes.setdefault(one, []).append((group, items))
            elif items and self._reached(group.leave_at(items, now), now):
                yield compose(self.channel, [(group, items)])
                room -= 1
                if room <= 0:
                    return
        # what hangs on one source is said at once, when the last of it may be said
        for parts in causes.values():
            if self._reached(max(group.leave_at(items, now) for group, items in parts), now):
                yield compose(self.channel, parts)

    def _digests(self, now: datetime, hidden: Hidden) -> Iterator[Message]:
        """Yield digests of everything that waits."""
        parts = [
            (group, items)
            for group in self._ready()
            if group.sealed is None and (items := self._items(group, now, hidden, together=True))
        ]
        parts.sort(key=lambda part: part[1][0].notices)  # as they began to wait
        yield from (compose(self.channel, portion) for portion in portions(parts))

    def _ready(self) -> Iterator[Group]:
        for key in list(self._busy):
            group = self._groups[key]
            if not (group.flying or group.resting):
                yield group

    def _reached(self, at: datetime | None, now: datetime) -> bool:
        if at is None or at <= now:
            return True
        self.next_at = min(self.next_at or at, at)
        return False

    def _items(self, group: Group, now: datetime, hidden: Hidden, *, together: bool) -> list[Item]:
        items, dropped = group.items(now, hidden, self.flaps, together=together)
        self.dropped += dropped
        for notice in dropped:
            if flaps.calms(notice.event):
                self.flaps.pop(flaps.series_of(notice.event), None)
        self._tidy(group)
        return items

    def _reminders(self, now: datetime, hidden: Hidden) -> Iterator[Message]:
        last = self._reminders_at
        if last is not None and last <= now < last + REMINDERS_LOOKED_AT_EVERY:
            return
        self._reminders_at = now
        for group in self._groups.values():
            message = group.reminder(self.channel, now, hidden)
            if message is not None:
                yield message
