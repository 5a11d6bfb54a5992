"""What a channel is told of a series that flaps: that it begins, digests, and that it is stable.

    flaps ──► told at once ──► more of the same waits for a digest: half an hour after what was
                   ▲           told last, then one hour, two, four … at most a day
                   └────────── at once: it gets worse than was told, data stops or returns, a person
    stable ──► told at once, with all that waits

Distance is measured by the alerts' own time, so what comes late, or all at once, makes no more
messages than it would have made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from atalaia.events.alerts import AlertTransition, Severity, Transition
from services.alerting.domain.messages import Item, Notice

FIRST_DIGEST_AFTER = timedelta(minutes=30)
DIGEST_AFTER_MOST = timedelta(days=1)
_MORE_OF_THE_SAME = (Transition.FIRED, Transition.RESOLVED, Transition.SEVERITY_CHANGED)
Series = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Flap:
    """What a channel was told: up to which moment, how bad at worst, in how many digests."""

    told_at: datetime
    severity: Severity
    digests: int = 0

    def leaves(self, event: AlertTransition) -> bool:
        """Return whether this is to be said now, and all that waits before it."""
        if event.transition not in _MORE_OF_THE_SAME or event.severity.rank > self.severity.rank:
            return True
        after = min(DIGEST_AFTER_MOST, FIRST_DIGEST_AFTER * 2.0 ** min(self.digests, 10))
        return abs(event.at - self.told_at) >= after  # a clock may be set back

    def after(self, event: AlertTransition) -> Flap:
        """Return what the channel knows once it was told one more digest."""
        worst = max(self.severity, event.severity, key=lambda severity: severity.rank)
        return Flap(event.at, worst, self.digests + 1)


Flaps = Mapping[Series, Flap]


def series_of(event: AlertTransition) -> Series:
    """Return what flaps: (rule, kind, source, series)."""
    return event.rule, event.kind, event.source, event.series


def calms(event: AlertTransition) -> bool:
    """Return whether from here on its series flaps no more."""
    by_itself = event.resolved_by in (None, "recovery")
    return event.transition is Transition.STABILIZED or (event.state == "resolved" and not by_itself)


def waits(flaps: Flaps, event: AlertTransition) -> bool:
    """Return whether this is more of the same of what a channel knows to flap."""
    known = flaps.get(series_of(event))
    return known is not None and bool(event.flapping) and not (calms(event) or known.leaves(event))


def limits(flaps: Flaps, waiting: Iterable[Notice], *, together: bool) -> dict[Series, int]:
    """Return the last notice of each series that flaps that may leave now; 0: none may.

    One message is made at a time, as if each notice came alone; `together`, as one.
    """
    found: dict[Series, int] = {}
    passed: set[Series] = set()
    for notice in waiting:
        event, series = notice.event, series_of(notice.event)
        known = flaps.get(series)
        if series in passed or not (event.flapping or (calms(event) and (known or series in found))):
            continue
        found.setdefault(series, 0)
        if known is None or calms(event) or known.leaves(event):
            found[series] = notice.id
            # what is over already begins nothing
            if not together and not (known is None and event.state == "resolved"):
                passed.add(series)
    return found


def may_leave(limited: Mapping[Series, int], waiting: list[Notice]) -> list[Notice]:
    """Return the beginning of what waits of one alert that is within the limits."""
    last = limited.get(series_of(waiting[0].event))
    if last is None:
        return waiting
    return list(takewhile(lambda one: one.id <= last or not _bound(one.event), waiting))


def told(flaps: Flaps, items: Iterable[Item]) -> dict[Series, Flap | None]:
    """Return what is different once a channel was told this: None where it is stable."""
    after: dict[Series, Flap | None] = {}
    for item in items:
        event, series = item.event, series_of(item.event)
        if calms(event) or Transition.STABILIZED in item.transitions:
            after[series] = None
        elif event.flapping:
            before = flaps.get(series)
            after[series] = Flap(event.at, event.severity) if before is None else before.after(event)
    return after


def _bound(event: AlertTransition) -> bool:
    return bool(event.flapping) or calms(event)
