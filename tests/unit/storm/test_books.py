"""The harness' books: pictures of what one source says, one value a second, and what must follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.system.storm.books import BAD, HELD, NOW, QUIET, WORSE, Entry, Sample, Told, books_of, compare

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VALUES = {".": QUIET, "x": BAD, "X": WORSE}


def second(number: float) -> datetime:
    return T0 + timedelta(seconds=number)


def samples(picture: str, *, wrong_s: float = 0.0, first: int = 0) -> list[Sample]:
    """Return one message a second, each by a clock that is `wrong_s` wrong; ` ` is none."""
    return [
        Sample("web-1", second(number + wrong_s), second(number), VALUES[sign])
        for number, sign in enumerate(picture, first)
        if sign != " "
    ]


def told(*sent: Sample) -> list[tuple[str, str, str, float]]:
    return [
        (one.rule, one.transition, one.severity, (one.at - T0).total_seconds())
        for one in books_of(sent).expected
    ]


def test_a_rule_that_holds_waits_and_one_that_does_not_fires_at_once() -> None:
    assert told(*samples("xxx.")) == [
        (NOW, "fired", "warning", 0),
        (HELD, "fired", "warning", 2),
        (HELD, "resolved", "warning", 3),
        (NOW, "resolved", "warning", 3),
    ]


def test_a_worse_value_changes_the_severity() -> None:
    assert told(*samples("xX")) == [(NOW, "fired", "warning", 0), (NOW, "severity_changed", "critical", 1)]


def test_what_is_late_changes_nothing() -> None:
    early, *rest = samples("x..")
    assert told(*rest, early) == []


def test_six_late_ones_that_rise_begin_anew() -> None:
    sent = [*samples("."), *samples("xxxxxx", wrong_s=-60, first=1)]
    assert told(*sent[:-1]) == []
    assert told(*sent) == [(NOW, "fired", "warning", -54)]


def test_what_is_ahead_of_the_broker_is_nothing() -> None:
    assert told(*samples("xxxxxxx", wrong_s=60)) == []


def test_what_is_a_day_old_is_history_only() -> None:
    assert told(*samples("xxxxxxx", wrong_s=-86_400)) == []


def test_a_gap_of_more_than_a_minute_begins_the_wait_anew() -> None:
    assert [one[1:] for one in told(*samples("xx" + 60 * " " + "xxx")) if one[0] == HELD] == [
        ("fired", "warning", 64)
    ]


def entry(transition: str, at: float = 0.0) -> Entry:
    return Entry(NOW, "web-1", transition, "warning", second(at))


def test_what_was_not_told_is_lost_and_what_should_not_have_been_is_invented() -> None:
    balance = compare([entry("fired")], [Told("a", entry("fired", 1))])
    assert (balance.lost, balance.invented) == ([entry("fired")], [entry("fired", 1)])


def test_what_was_told_under_two_ids_is_doubled() -> None:
    balance = compare([entry("fired")], [Told("a", entry("fired")), Told("b", entry("fired"))])
    assert (balance.doubled, balance.lost, balance.invented) == ([entry("fired")], [], [])


def test_an_end_before_its_beginning_is_out_of_order() -> None:
    both = [entry("fired"), entry("resolved", 1)]
    assert compare(both, [Told("a", one) for one in reversed(both)]).disordered == ["a"]


def test_silence_may_be_said_but_only_in_its_place() -> None:
    life = [entry("fired"), entry("went_stale", 70), entry("data_returned", 80), entry("resolved", 81)]
    assert compare([life[0], life[3]], [Told("a", one) for one in life]).holds
    assert not compare([life[0]], [Told("a", one) for one in (life[0], life[2])]).holds
