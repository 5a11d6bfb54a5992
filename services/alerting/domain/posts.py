"""A channel that a replica holds, and a message to try it with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atalaia.events.alerts import AlertTransition, Severity, Transition
from services.alerting.domain.channels_file import Channel
from services.alerting.domain.delivery import Desk
from services.alerting.domain.messages import Item, Kind, Message, Notice, key_of
from services.alerting.domain.routes import group_key


@dataclass(slots=True)
class Post:
    """A channel that this replica holds."""

    channel: Channel
    fence: int
    desk: Desk
    error: str = ""
    unmarked: set[int] = field(default_factory=set)

    def take(self, notices: Iterable[Notice]) -> None:
        """Take what has come, once: what is not yet marked as taken comes again."""
        new = [notice for notice in notices if notice.id not in self.unmarked]
        self.unmarked.update(notice.id for notice in new)
        self.desk.take(new)


def trial(channel: str, at: datetime) -> Message:
    """Return a message that says that nothing is wrong."""
    event = AlertTransition(
        alert_id="test",
        transition=Transition.FIRED,
        at=at,
        rule="atalaia-test",
        series="atalaia.test",
        source="atalaia",
        kind="test",
        group="atalaia",
        severity=Severity.WARNING,
        state="firing",
        value=None,
        threshold=None,
        started_at=at - timedelta(seconds=1),
        summary=f"A test of the channel {channel}: nothing is wrong",
    )
    item = Item(event, 1, ("fired",))
    group = group_key(("rule", "group"), {"rule": event.rule, "group": event.group})
    key = key_of(channel, [item], "test", str(at.timestamp()))
    return Message(key, channel, Kind.TEST, (group,), (item,), (), 0, at)
