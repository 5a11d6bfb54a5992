"""The alerts that fire, kept in memory from what alerting says."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from atalaia.events.alerts import AlertTransition
from services.api.domain.health import Firing

REMEMBERED = 10_000


class Known(NamedTuple):
    """One alert at one of its transitions. `sequence` counts them."""

    sequence: int
    alert: AlertTransition


class ActiveAlerts:
    """Mutable, one owner. What arrives out of order, or twice, changes nothing."""

    def __init__(self) -> None:
        self._firing: dict[str, Known] = {}
        self._over: OrderedDict[str, int] = OrderedDict()
        self._minded: tuple[Firing, ...] | None = None

    def hear(self, known: Known) -> bool:
        """Take one transition; return whether it was news."""
        alert_id = known.alert.alert_id
        seen = self._firing[alert_id].sequence if alert_id in self._firing else self._over.get(alert_id, -1)
        if known.sequence <= seen:
            return False
        self._minded = None
        if known.alert.state == "resolved":
            self._firing.pop(alert_id, None)
            self._over[alert_id] = known.sequence
            while len(self._over) > REMEMBERED:
                self._over.popitem(last=False)
        else:
            self._firing[alert_id] = known
        return True

    def ids(self) -> frozenset[str]:
        return frozenset(self._firing)

    def reconcile(self, stored: Iterable[Known], *, asked_about: frozenset[str]) -> None:
        """Take over what is stored as firing.

        `asked_about` are the `ids` from before the store was asked: of these, what
        is not stored as firing is over. What was heard since is newer, and stays.
        """
        listed = {known.alert.alert_id: known for known in stored}
        for known in listed.values():
            self.hear(known)
        for alert_id in asked_about - listed.keys():
            self._minded = None
            self._firing.pop(alert_id, None)

    def firing(self) -> tuple[Firing, ...]:
        """Return them as health minds them; the very same object while nothing changes."""
        if self._minded is None:
            self._minded = tuple(
                Firing(known.alert.severity, known.alert.summary) for known in self._firing.values()
            )
        return self._minded

    def sources(self) -> frozenset[tuple[str, str]]:
        """Return the (kind, source) of every alert that fires."""
        return frozenset((known.alert.kind, known.alert.source) for known in self._firing.values())
