"""Messages: what waits for a channel becomes what is said to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal

from pydantic import TypeAdapter

from atalaia.events.alerts import AlertTransition, Transition
from atalaia.events.instants import iso

CONTEXT_AT_MOST = 100
ITEMS_AT_MOST = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """One transition that waits for one channel."""

    id: int
    alert_id: str
    sequence: int
    group: str
    interval_s: float
    remind_s: float | None
    queued_at: datetime
    event: AlertTransition

    @property
    def resolved(self) -> bool:
        return self.event.state == "resolved"


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was told last of an alert that fires."""

    event: AlertTransition
    sequence: int

    @property
    def acknowledged(self) -> bool:
        return self.event.acknowledged_by is not None


@dataclass(frozen=True, slots=True)
class Item:
    """One alert in a message. `transitions`: what happened since the channel was told; none in a reminder."""

    event: AlertTransition
    sequence: int
    transitions: tuple[str, ...] = ()
    notices: tuple[int, ...] = ()

    @property
    def resolved(self) -> bool:
        return self.event.state == "resolved"


class Held(StrEnum):
    """Why nothing is said of an alert now."""

    SILENCED = "silenced"
    OVER = "over"  # the channel never heard that it fired


class Kind(StrEnum):
    GROUP = "group"
    DIGEST = "digest"
    REMINDER = "reminder"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel. `key` is the same for the same content, whoever makes it.

    `context` are the other alerts of the group that fire; `left_out` how many of them are not listed.
    `since` is when the oldest of its transitions began to wait.
    """

    key: str
    channel: str
    kind: Kind
    groups: tuple[str, ...]
    items: tuple[Item, ...]
    context: tuple[AlertTransition, ...]
    left_out: int
    since: datetime

    @property
    def status(self) -> Literal["firing", "resolved"]:
        firing = self.context or any(not item.resolved for item in self.items)
        return "firing" if firing else "resolved"

    @property
    def age(self) -> tuple[datetime, tuple[int, ...]]:
        """Return what sorts messages: the oldest first."""
        return self.since, self.items[0].notices

    @property
    def alert_ids(self) -> list[str]:
        return [item.event.alert_id for item in self.items]

    def body(self) -> str:
        return _MESSAGES.dump_json(self).decode()

    @classmethod
    def read(cls, body: str) -> Message:
        return _MESSAGES.validate_json(body)


_MESSAGES = TypeAdapter(Message)


def fold(
    waiting: Sequence[Notice], *, told: bool, together: bool, hidden: bool, flaps: bool = False
) -> Item | Held:
    """Return what is to be said of one alert, from all that waits of it, in order.

    What resolved before the channel heard that it fired is said as two messages, or, after an
    outage (`together`), as one. A silence holds everything back but the end of what was told,
    of the alert, or, where that is stable, of its series, which `flaps` for all that was told.
    """
    last = waiting[-1]
    resolved = last.resolved
    if resolved and not told:
        if flaps and last.event.transition is Transition.STABILIZED and (hidden or len(waiting) == 1):
            ids = tuple(notice.id for notice in waiting)
            return Item(last.event, last.sequence, (Transition.STABILIZED.value,), ids)
        if hidden or len(waiting) == 1:
            return Held.OVER
        if not together:
            waiting = waiting[:-1]
    elif hidden and not resolved:
        return Held.SILENCED
    names = list(dict.fromkeys(str(notice.event.transition) for notice in waiting))
    if not told and names[0] != Transition.FIRED:
        names.insert(0, str(Transition.FIRED))  # for this channel it begins here
    last = waiting[-1]
    return Item(last.event, last.sequence, tuple(names), tuple(notice.id for notice in waiting))


def cause(items: Iterable[Item]) -> tuple[str, str, str] | None:
    """Return the one thing that happened to a source and explains all of these; None where there is none."""
    causes = {_cause(item) for item in items}
    return causes.pop() if len(causes) == 1 else None


def _cause(item: Item) -> tuple[str, str, str] | None:
    event = item.event
    if event.transition in (Transition.WENT_STALE, Transition.DATA_RETURNED):
        return (str(event.transition), event.kind, event.source)
    if event.resolved_by == "source_left":
        return ("source_left", event.kind, event.source)
    return None


def key_of(channel: str, items: Iterable[Item], *extra: str) -> str:
    """Return the idempotency key of a message: what is said, and to whom."""
    said = sorted(f"{item.event.alert_id}:{item.sequence}" for item in items)
    return sha256("\n".join((channel, *extra, *said)).encode()).hexdigest()[:32]


def reminder_key(channel: str, items: Iterable[Item], number: int, sent_at: datetime) -> str:
    return key_of(channel, items, "reminder", str(number), iso(sent_at))
