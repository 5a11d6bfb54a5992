"""Delivery groups: what waits together, when it may leave, and the message it becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atalaia.events.alerts import AlertTransition
from services.alerting.domain.flaps import Flaps, Series, calms, limits, may_leave, series_of
from services.alerting.domain.messages import (
    CONTEXT_AT_MOST,
    ITEMS_AT_MOST,
    Held,
    Item,
    Kind,
    Message,
    Notice,
    Told,
    fold,
    key_of,
    reminder_key,
)

GIVE_UP_AFTER = timedelta(hours=24)
REMIND_MOST_S = 24 * 3600.0
Hidden = Callable[[AlertTransition], bool]


@dataclass(slots=True)
class Group:
    """One delivery group. `sealed` may have been received: it is repeated as it is, before anything else.

    `resting`: all that waits is more of the same of what flaps; nothing to look at until more comes.
    `released`: since when what was held back of a series may leave.
    """

    key: str
    interval_s: float
    remind_s: float | None
    told: dict[str, Told] = field(default_factory=dict)
    waiting: dict[str, list[Notice]] = field(default_factory=dict)
    sent_at: datetime | None = None
    reminders: int = 0
    tries: int = 0
    retry_at: datetime | None = None
    sealed: Message | None = None
    open_keys: set[str] = field(default_factory=set)
    flying: bool = False
    resting: bool = False
    released: dict[Series, datetime] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.sealed or self.flying)

    def items(
        self, now: datetime, hidden: Hidden, flaps: Flaps, *, together: bool
    ) -> tuple[list[Item], list[Notice]]:
        """Return (what may be said, as it began to wait; what will never be, and no longer waits)."""
        items, dropped = [], []
        together = together or self.tries > 0
        silenced = {one for one, waiting in self.waiting.items() if hidden(waiting[-1].event)}
        limited = self._limits(flaps, silenced, together=together)
        for alert_id, waiting in list(self.waiting.items()):
            hides = alert_id in silenced
            ready = waiting if hides else may_leave(limited, waiting)
            if not ready:
                continue
            series = series_of(ready[0].event)
            said = fold(
                ready,
                told=alert_id in self.told,
                together=together or series in limited,
                hidden=hides,
                flaps=series in flaps,
            )
            if said is Held.OVER:
                dropped += ready
                self._keep(alert_id, waiting[len(ready) :])
            elif isinstance(said, Item):
                items.append(said)
        items.sort(key=lambda item: item.notices)
        for series, last in limited.items():
            if last:
                self.released.setdefault(series, now)
        self.resting = bool(limited) and not (items or dropped or silenced)
        if self.tries:  # what has been tried for too long ends by itself, apart from the rest
            old = [one for one in items if too_old(self.since(one), now)]
            items = old or items
        return items[:ITEMS_AT_MOST], dropped

    def since(self, item: Item) -> datetime:
        """Return when the first of an alert's transitions began to wait, or was no longer held back."""
        released = self.released.get(series_of(item.event))
        return released or self.waiting[item.event.alert_id][0].queued_at

    def leave_at(self, items: list[Item], now: datetime) -> datetime:
        """Return when these may leave: first and resolving ones now, others after the interval.

        What is to be said of a series that flaps has waited already.
        """
        if self.tries:
            return self.retry_at or now
        if not self.told or self.sent_at is None:
            return now
        if any(item.resolved or item.event.flapping or calms(item.event) for item in items):
            return now
        return self.sent_at + timedelta(seconds=self.interval_s)

    def settled(self, item: Item, *, delivered: bool) -> None:
        """Take an alert's transitions as said, or as never to be said."""
        alert_id = item.event.alert_id
        said = set(item.notices)
        self.released.pop(series_of(item.event), None)
        self._keep(alert_id, [one for one in self.waiting.get(alert_id, []) if one.id not in said])
        if item.resolved:
            self.told.pop(alert_id, None)
        elif delivered:
            self.told[alert_id] = Told(item.event, item.sequence)

    def _limits(self, flaps: Flaps, silenced: set[str], *, together: bool) -> dict[Series, int]:
        """Return how far each series that flaps may be told; what is silenced begins and ends nothing."""
        listed = (waiting for alert_id, waiting in self.waiting.items() if alert_id not in silenced)
        notices = [one for waiting in listed for one in waiting]
        if not any(one.event.flapping or calms(one.event) for one in notices):
            return {}
        return limits(flaps, sorted(notices, key=lambda one: one.id), together=together)

    def _keep(self, alert_id: str, waiting: list[Notice]) -> None:
        if waiting:
            self.waiting[alert_id] = waiting
        else:
            self.waiting.pop(alert_id, None)

    def reminder(self, channel: str, now: datetime, hidden: Hidden) -> Message | None:
        """Return a reminder of what still fires, where one is due."""
        due_at = self._remind_at()
        if due_at is None or due_at > now or self.flying or self.sealed or self.sent_at is None:
            return None
        items = tuple(
            Item(told.event, told.sequence)
            for alert_id, told in self.told.items()
            if not told.acknowledged and alert_id not in self.waiting and not hidden(told.event)
        )[:ITEMS_AT_MOST]
        if not items:
            return None
        key = reminder_key(channel, items, self.reminders, self.sent_at)
        return Message(key, channel, Kind.REMINDER, (self.key,), items, (), 0, now)

    def _remind_at(self) -> datetime | None:
        if self.remind_s is None or self.sent_at is None or not self.told:
            return None
        if self.tries:
            return self.retry_at
        return self.sent_at + timedelta(seconds=min(REMIND_MOST_S, self.remind_s * 2.0**self.reminders))


Part = tuple[Group, list[Item]]


def compose(channel: str, parts: list[Part]) -> Message:
    """Return one message of what some groups have to say."""
    items = tuple(item for _, some in parts for item in some)
    context: list[AlertTransition] = []
    if len(parts) == 1:
        listed = {item.event.alert_id for item in items}
        context = [told.event for alert_id, told in parts[0][0].told.items() if alert_id not in listed]
    return Message(
        key_of(channel, items),
        channel,
        Kind.GROUP if len(parts) == 1 else Kind.DIGEST,
        tuple(group.key for group, _ in parts),
        items,
        tuple(context[:CONTEXT_AT_MOST]),
        max(0, len(context) - CONTEXT_AT_MOST),
        min(group.since(item) for group, some in parts for item in some),
    )


def portions(parts: list[Part]) -> Iterator[list[Part]]:
    """Split what is to be said into messages of a size that receivers take."""
    portion: list[Part] = []
    size = 0
    for part in parts:
        if portion and size + len(part[1]) > ITEMS_AT_MOST:
            yield portion
            portion, size = [], 0
        portion.append(part)
        size += len(part[1])
    if portion:
        yield portion


def too_old(since: datetime, now: datetime) -> bool:
    """Return whether what began to wait then is given up."""
    return now - since >= GIVE_UP_AFTER
