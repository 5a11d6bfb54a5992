"""Routes: who is told of an alert, and together with what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from atalaia.events.alerts import AlertTransition
from atalaia.events.matching import Conditions, alert_labels, hold

GROUP_BY = ("rule", "group")
GROUP_INTERVAL_S = 30.0
REMIND_AFTER_S = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Route:
    """`remind_after_s`: until the first reminder, each next one twice as far; None: no reminders."""

    channels: tuple[str, ...]
    match: Conditions = ()
    group_by: tuple[str, ...] = GROUP_BY
    group_interval_s: float = GROUP_INTERVAL_S
    remind_after_s: float | None = REMIND_AFTER_S
    and_on: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """A channel that is told of an alert. `group`: its delivery group, as JSON of the labels it has."""

    channel: str
    group: str
    interval_s: float
    remind_s: float | None


class Routes:
    """All routes, in order: the first that matches decides, and those after it where it says `continue`."""

    def __init__(self, routes: Iterable[Route], channels: Iterable[str]) -> None:
        self._routes = tuple(routes)
        self.channels = tuple(channels)

    @property
    def catch_all(self) -> bool:
        """Return whether every alert goes somewhere."""
        return any(not route.match and route.channels for route in self._routes)

    def recipients(self, event: AlertTransition) -> list[Recipient]:
        """Return who is told, each channel once, by the first route that names it."""
        labels = labels_of(event)
        found: dict[str, Recipient] = {}
        for route in self._routes:
            if not hold(route.match, labels):
                continue
            group = group_key(route.group_by, labels)
            for channel in route.channels:
                found.setdefault(
                    channel, Recipient(channel, group, route.group_interval_s, route.remind_after_s)
                )
            if not route.and_on:
                break
        return list(found.values())


def labels_of(event: AlertTransition) -> dict[str, str]:
    """Return what conditions see of an alert."""
    return alert_labels(
        rule=event.rule,
        source=event.source,
        kind=event.kind,
        group=event.group,
        severity=event.severity,
        series=event.series,
        labels=event.labels,
    )


def group_key(group_by: tuple[str, ...], labels: Mapping[str, str]) -> str:
    """Return the name of a delivery group: JSON of the labels that its alerts share."""
    return json.dumps({key: labels.get(key, "") for key in group_by}, ensure_ascii=False)


def group_labels(group: str) -> dict[str, str]:
    """Return the labels in a delivery group's name."""
    found: dict[str, str] = json.loads(group)
    return found
