"""A series that fires over and over says so."""

from __future__ import annotations

import pytest

from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import CPU, Court, W, cpu

AT_ONCE = Rule("at-once", CPU, ((W, 0.8),), for_s=0.0)


def swing(court: Court, times: int, *, every_s: float, from_s: float = 0.0) -> list[bool]:
    """Fire and resolve so many times; return which of the alerts were marked as flapping."""
    before = set(court.stored)
    for number in range(times):
        at_s = from_s + number * every_s
        court.hear(cpu(at_s, 0.9), cpu(at_s + every_s / 2, 0.1))
    return [court.stored[one].flapping for one in sorted(court.stored) if one not in before]


@pytest.mark.parametrize("restarts", [False, True])
def test_the_third_time_within_ten_minutes_is_flapping(restarts: bool) -> None:
    court = Court(AT_ONCE)
    assert swing(court, 2, every_s=120) == [False, False]
    if restarts:
        court.restart()
    assert swing(court, 2, every_s=120, from_s=240) == [True, True]


def test_slower_is_not() -> None:
    assert swing(Court(AT_ONCE), 5, every_s=400) == [False] * 5


def test_it_is_over_after_a_while() -> None:
    court = Court(AT_ONCE)
    swing(court, 4, every_s=60)
    assert swing(court, 1, every_s=60, from_s=3000) == [False]


def test_both_transitions_of_such_an_alert_say_so() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    said = [
        (str(change.transition), change.event().flapping) for change in court.changes if change.transition
    ]
    assert said[-2:] == [("fired", True), ("resolved", True)]
