"""Which series fire over and over: from there on they flap, until they are stable (see `lifecycle`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from atalaia.events.alerts import Transition
from services.alerting.domain.alert import Change, Key
from services.alerting.domain.lifecycle import Track

FIRES = 3
WITHIN = timedelta(minutes=10)


class Flapping:
    """Mutable, one owner: when each series fired lately, by event time."""

    def __init__(self) -> None:
        self._fired: dict[Key, deque[datetime]] = {}

    def restore(self, fires: Iterable[tuple[Key, datetime]]) -> None:
        """Take over what is stored; in order of time."""
        for key, at in fires:
            self._fired.setdefault(key, deque(maxlen=FIRES)).append(at)

    def marked(self, track: Track, changes: list[Change]) -> list[Change]:
        """Return the changes, with an alert that fires once too often marked as flapping."""
        return [self._fires(track, one) if one.transition is Transition.FIRED else one for one in changes]

    def forget(self, before: datetime) -> None:
        """Drop series that did not fire since."""
        for key, fired in list(self._fired.items()):
            if fired[-1] < before:
                del self._fired[key]

    def _fires(self, track: Track, change: Change) -> Change:
        fired = self._fired.setdefault(track.key, deque(maxlen=FIRES))
        fired.append(change.at)
        if change.alert.flapping or len(fired) < FIRES or change.at - fired[0] > WITHIN:
            return change
        marked = replace(change.alert, flapping=True)
        if track.alert is change.alert:
            track.alert = marked
        return replace(change, alert=marked)
