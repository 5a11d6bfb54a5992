"""Silences: what is held back, until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from atalaia.errors import Invalid
from atalaia.events.alerts import AlertTransition
from atalaia.events.matching import Conditions, Spelt, conditions, hold, match_everything
from services.alerting.domain.routes import labels_of

LONGEST = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Silence:
    id: str
    matchers: Conditions
    starts_at: datetime
    ends_at: datetime
    by: str
    comment: str = ""

    def hides(self, event: AlertTransition, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at and hold(self.matchers, labels_of(event))


def hidden(silences: Sequence[Silence], event: AlertTransition, now: datetime) -> bool:
    """Return whether one of the silences holds an alert back now."""
    return any(silence.hides(event, now) for silence in silences)


def next_end(silences: Sequence[Silence], now: datetime) -> datetime | None:
    """Return when the first silence begins or ends after now."""
    moments = [moment for one in silences for moment in (one.starts_at, one.ends_at) if moment > now]
    return min(moments, default=None)


def checked_matchers(spelt: Spelt, *, everything: bool) -> Conditions:
    """Return the conditions of a new silence.

    Raises:
        Invalid: a condition is wrong, or they would hide every alert and `everything` does not say so.
    """
    try:
        found = conditions(spelt)
    except Invalid as error:
        raise Invalid(f"{error.field}: {error}", field="matchers") from error
    if match_everything(found) and not everything:
        raise Invalid("these match every alert; say `everything: true` where that is meant", field="matchers")
    return found


def checked_times(starts_at: datetime | None, ends_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return (start, end) of a new silence.

    Raises:
        Invalid: it would be over already, or last longer than a year.
    """
    begins = max(starts_at or now, now)
    if ends_at <= begins:
        raise Invalid("must be later than now, and than `starts_at`", field="ends_at")
    if ends_at - begins > LONGEST:
        raise Invalid("a silence lasts at most 365 days", field="ends_at")
    return begins, ends_at
