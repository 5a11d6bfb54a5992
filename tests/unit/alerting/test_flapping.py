"""A series that fires over and over flaps, until it is stable."""

from __future__ import annotations

import pytest

from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import CPU, Court, W, at, batch, cpu

AT_ONCE = Rule("at-once", CPU, ((W, 0.8),), for_s=0.0)


def swing(court: Court, times: int, *, every_s: float, from_s: float = 0.0) -> list[str]:
    """Fire and resolve so many times; return what was announced, `*` for what flaps."""
    before = len(court.changes)
    for number in range(times):
        at_s = from_s + number * every_s
        court.hear(cpu(at_s, 0.9), cpu(at_s + every_s / 2, 0.1))
    return said(court, before)


def said(court: Court, since: int = 0) -> list[str]:
    changes = [change for change in court.changes[since:] if change.transition is not None]
    return [f"{change.transition}{'*' if change.event().flapping else ''}" for change in changes]


def steady(court: Court, value: float, *, from_s: float, to_s: float) -> list[str]:
    """Send the same value every minute; return what was announced."""
    before = len(court.changes)
    for at_s in range(int(from_s), int(to_s) + 1, 60):
        court.hear(cpu(at_s, value))
    return said(court, before)


@pytest.mark.parametrize("restarts", [False, True])
def test_the_third_time_within_ten_minutes_is_flapping(restarts: bool) -> None:
    court = Court(AT_ONCE)
    assert swing(court, 2, every_s=120) == ["fired", "resolved"] * 2
    if restarts:
        court.restart()
    assert swing(court, 2, every_s=120, from_s=240) == ["fired*", "resolved*"] * 2


def test_slower_is_not() -> None:
    assert swing(Court(AT_ONCE), 5, every_s=400) == ["fired", "resolved"] * 5


def test_once_it_flaps_slower_is_flapping_still() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=120)
    assert swing(court, 4, every_s=480, from_s=480) == ["fired*", "resolved*"] * 4


@pytest.mark.parametrize("restarts", [False, True])
def test_ten_good_minutes_are_stable(restarts: bool) -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    assert steady(court, 0.1, from_s=180, to_s=720) == []
    if restarts:
        court.restart()
    assert steady(court, 0.1, from_s=749, to_s=749) == []
    assert steady(court, 0.1, from_s=750, to_s=900) == ["stabilized"]
    assert swing(court, 1, every_s=60, from_s=960) == ["fired", "resolved"]


@pytest.mark.parametrize("restarts", [False, True])
def test_ten_bad_minutes_are_stable_too(restarts: bool) -> None:
    court = Court(AT_ONCE)
    swing(court, 2, every_s=60)
    assert steady(court, 0.9, from_s=120, to_s=660) == ["fired*"]
    if restarts:
        court.restart()
    assert steady(court, 0.9, from_s=720, to_s=720) == ["stabilized"]
    assert court.hear(cpu(730, 0.1)) == ["resolved recovery"]
    assert said(court)[-1] == "resolved"


def test_of_a_series_the_newest_alert_bears_the_mark() -> None:
    court = Court(AT_ONCE)
    swing(court, 5, every_s=60)
    assert [court.stored[one].flapping for one in sorted(court.stored)] == [False] * 4 + [True]


def test_a_gap_is_not_ten_good_minutes() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    assert steady(court, 0.1, from_s=1800, to_s=2340) == []
    assert steady(court, 0.1, from_s=2400, to_s=2400) == ["stabilized"]


def test_what_fires_after_a_gap_is_news() -> None:
    court = Court(AT_ONCE)
    swing(court, 4, every_s=60)
    assert swing(court, 1, every_s=60, from_s=3000) == ["stabilized", "fired", "resolved"]


def test_a_clock_that_is_set_back_does_not_hold_it_up() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60, from_s=3000)
    for at_s in range(0, 1200, 60):
        court.hear(cpu(at_s, 0.1), stored_after_s=3200 + at_s)
    assert said(court)[-1] == "stabilized"


def test_silence_is_not_stable() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    assert court.listen(3600, now_s=3800) == []


def test_a_source_that_is_forgotten_no_longer_flaps() -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    assert [one.split()[0] for one in court.listen(90_000, now_s=90_000)] == ["stabilized"]


@pytest.mark.parametrize(("value", "ends"), [(0.1, ["stabilized"]), (0.9, ["resolved"])])
def test_a_source_that_leaves_no_longer_flaps(value: float, ends: list[str]) -> None:
    court = Court(AT_ONCE)
    swing(court, 3, every_s=60)
    court.hear(cpu(180, value))
    before = len(court.changes)
    court.hear(batch(190, final=True))
    assert said(court, before) == ends
    assert not any(alert.flapping for alert in court.stored.values())


def test_a_person_ends_it() -> None:
    court = Court(AT_ONCE)
    swing(court, 2, every_s=60)
    court.hear(cpu(120, 0.9))
    (firing,) = (one.alert_id for one in court.stored.values() if one.resolved_at is None)
    change = court.judge.resolve(firing, "ana", at(130))
    assert change.event().flapping is None
