"""The life of an alert, as pictures: one value a minute unless said otherwise, `for` is 60 s."""

from __future__ import annotations

import pytest

from services.alerting.domain.alert import State
from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import CPU, HIGH_CPU, Court, W, at, batch, cpu, timeline


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("ww", ["", "fired warning"]),
        ("w.ww", ["", "", "", "fired warning"]),
        ("ww.", ["", "fired warning", "resolved recovery"]),
        ("ww-", ["", "fired warning", ""]),
        ("ww-.", ["", "fired warning", "", "resolved recovery"]),
        ("w-ww", ["", "", "", "fired warning"]),
        ("wcc", ["", "fired warning", "severity_changed critical"]),
        ("cc", ["", "fired critical"]),
        ("ccw", ["", "fired critical", "severity_changed error"]),
        ("cc.", ["", "fired critical", "resolved recovery"]),
        ("ww.ww", ["", "fired warning", "resolved recovery", "", "fired warning"]),
        ("wwe.", ["", "fired warning", "", "resolved recovery"]),
    ],
)
def test_timeline(values: str, said: list[str]) -> None:
    assert timeline(values) == said


def test_without_a_hold_the_first_bad_value_fires() -> None:
    assert timeline("w.", rule=Rule("r", CPU, ((W, 0.8),), for_s=0.0)) == [
        "fired warning",
        "resolved recovery",
    ]


def test_the_alert_keeps_its_id_and_the_moment_of_its_first_breach() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99), cpu(120, 0.1))
    events = [change.event() for change in court.changes if change.transition]
    assert len({event.alert_id for event in events}) == 1
    assert {event.started_at for event in events} == {at(0)}
    assert [event.at for event in events] == [at(60), at(120)]


def test_more_than_a_minute_without_a_value_starts_what_is_pending_anew() -> None:
    court = Court()
    assert court.hear(cpu(0, 0.99), cpu(61, 0.99), cpu(62, 0.99)) == []
    assert court.hear(cpu(121, 0.99)) == ["fired critical"]
    assert court.changes[-1].alert.started_at == at(61)


def test_five_intervals_count_where_they_are_longer_than_a_minute() -> None:
    court = Court()
    assert court.hear(cpu(0, 0.99, interval_s=30), cpu(149, 0.99, interval_s=30)) == ["fired critical"]


def test_a_gap_does_not_end_what_fires() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.hear(cpu(3000, 0.99)) == []
    assert court.states() == [State.FIRING]


def test_late_and_repeated_messages_change_nothing() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.hear(cpu(60, 0.1), cpu(30, 0.1), cpu(0, 0.1)) == []
    assert court.judge.counters["late"] == 3


def test_the_sixth_late_message_that_rises_starts_the_subject_anew() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.hear(*(cpu(-3000 + n, 0.1) for n in range(5))) == []
    assert court.hear(cpu(-2990, 0.1), stored_after_s=60) == ["resolved recovery"]


def test_what_is_an_hour_old_when_it_arrives_is_history_only() -> None:
    court = Court()
    assert court.hear(cpu(0, 0.99), cpu(60, 0.99), stored_after_s=3661) == []
    assert court.states() == []


def test_silence_makes_a_firing_alert_stale_and_data_returns() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.listen(60) == []
    assert court.listen(1) == ["went_stale critical"]
    assert court.listen(3600) == []
    assert court.hear(cpu(5000, 0.99)) == ["data_returned critical"]
    assert court.states() == [State.FIRING]


def test_a_good_value_after_silence_is_a_recovery() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    court.listen(61)
    assert court.hear(cpu(5000, 0.1)) == ["data_returned critical", "resolved recovery"]


def test_a_series_that_is_missing_from_a_newer_message_is_stale() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.hear(batch(120, gauges={"other": 1.0})) == ["went_stale critical"]
    assert court.hear(cpu(180, 0.99)) == ["data_returned critical"]


def test_a_source_that_leaves_resolves_its_alerts() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    assert court.hear(batch(70, final=True)) == ["resolved source_left"]
    assert court.listen(600) == []
    assert court.hear(cpu(80, 0.99), cpu(140, 0.99)) == ["fired critical"]


def fire_and_resolve_by_hand(court: Court) -> None:
    court.hear(cpu(0, 0.92), cpu(60, 0.92))
    (firing,) = (one for one in court.stored.values() if one.state is State.FIRING)
    assert court.commit([court.judge.resolve(firing.alert_id, "ana", at(60))]) == ["resolved ana"]


@pytest.mark.parametrize("restarts", [False, True])
def test_resolved_by_hand_while_bad_fires_again_only_after_a_good_value(restarts: bool) -> None:
    court = Court()
    fire_and_resolve_by_hand(court)
    if restarts:
        court.restart()
    assert court.hear(*(cpu(60 + 10 * n, 0.92) for n in range(1, 20))) == []
    assert court.hear(cpu(300, 0.1), cpu(310, 0.92), cpu(370, 0.92)) == ["fired error"]


@pytest.mark.parametrize("restarts", [False, True])
def test_resolved_by_hand_fires_again_at_a_higher_severity(restarts: bool) -> None:
    court = Court()
    fire_and_resolve_by_hand(court)
    if restarts:
        court.restart()
    assert court.hear(cpu(70, 0.99), cpu(130, 0.99)) == ["fired critical"]


def test_a_rule_that_is_removed_resolves_its_alerts() -> None:
    court = Court()
    court.hear(cpu(0, 0.99), cpu(60, 0.99))
    other = Rule("other", CPU, ((W, 0.5),))
    assert court.commit(court.judge.reload(type(court.rules)([other]), at(70))) == ["resolved rule_removed"]


def test_a_rule_for_low_values_mirrors_the_band() -> None:
    low = Rule("low", CPU, ((W, 0.2),), op="<", for_s=0.0)
    court = Court(low)
    assert court.hear(cpu(0, 0.19)) == ["fired warning"]
    assert court.hear(cpu(10, 0.21)) == []
    assert court.hear(cpu(20, 0.22)) == ["resolved recovery"]


def test_two_sources_have_two_alerts() -> None:
    court = Court(HIGH_CPU)
    for source in ("a", "b"):
        court.hear(cpu(0, 0.99, source=source), cpu(60, 0.99, source=source))
    assert sorted(alert.key.source for alert in court.stored.values()) == ["a", "b"]
