"""What keeps an alert firing, marks it stale, or is taken care of by people."""

from __future__ import annotations

import pytest

from atalaia.errors import NotFound
from atalaia.events.metrics import MetricsBatch
from services.alerting.domain.alert import State
from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import CPU, C, Court, E, W, at, batch, cpu

KEPT = Rule("kept", CPU, ((W, 0.8),), for_s=0.0, keep_firing_s=60.0)
PATIENT = Rule("patient", CPU, ((W, 0.8),), for_s=0.0, stale_after_s=600.0)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_alert_is_kept_until_values_have_been_good_for_long_enough(restarts: bool) -> None:
    court = Court(KEPT)
    assert court.hear(cpu(0, 0.9)) == ["fired warning"]
    assert court.hear(cpu(10, 0.1)) == []
    if restarts:
        court.restart()
    assert court.hear(cpu(60, 0.1)) == []
    assert court.hear(cpu(70, 0.1)) == ["resolved recovery"]


def test_a_bad_value_in_between_starts_the_wait_anew() -> None:
    court = Court(KEPT)
    court.hear(cpu(0, 0.9), cpu(10, 0.1), cpu(40, 0.9))
    assert court.hear(cpu(50, 0.1), cpu(100, 0.1)) == []
    assert court.hear(cpu(110, 0.1)) == ["resolved recovery"]


def test_a_gap_is_not_time_in_which_values_were_good() -> None:
    court = Court(KEPT)
    court.hear(cpu(0, 0.9), cpu(10, 0.1))
    assert court.hear(cpu(500, 0.1)) == []
    assert court.hear(cpu(560, 0.1)) == ["resolved recovery"]


def test_a_rule_says_what_silence_means() -> None:
    court = Court(PATIENT)
    court.hear(cpu(0, 0.9))
    assert court.listen(599) == []
    assert court.listen(2) == ["went_stale warning"]


def fired(court: Court) -> str:
    court.hear(cpu(0, 0.92), cpu(60, 0.92))
    return next(one.alert_id for one in court.stored.values() if one.state is State.FIRING)


def test_an_acknowledgement_says_who_and_ends_with_its_time() -> None:
    court = Court()
    alert_id = fired(court)
    taken = court.judge.acknowledge(alert_id, "ana", at(600), at(70), "on it")
    assert court.commit([taken]) == ["acknowledged error"]
    assert court.stored[alert_id].acknowledged_by == "ana"
    assert court.listen(1, now_s=599) == []
    assert court.listen(1, now_s=600) == ["unacknowledged error"]
    assert court.stored[alert_id].acknowledged_by is None


def test_an_acknowledgement_ends_when_it_gets_worse() -> None:
    court = Court()
    alert_id = fired(court)
    court.commit([court.judge.acknowledge(alert_id, "ana", None, at(70))])
    assert court.hear(cpu(80, 0.99), cpu(140, 0.99)) == ["severity_changed critical"]
    assert court.stored[alert_id].acknowledged_by is None
    assert court.stored[alert_id].severity is C


def test_an_acknowledgement_stays_when_it_gets_better() -> None:
    court = Court()
    alert_id = fired(court)
    court.commit([court.judge.acknowledge(alert_id, "ana", None, at(70))])
    assert court.hear(cpu(80, 0.80)) == ["severity_changed warning"]
    assert court.stored[alert_id].acknowledged_by == "ana"
    assert court.hear(cpu(90, 0.92), cpu(150, 0.92)) == ["severity_changed error"]
    assert court.stored[alert_id].severity is E


def test_an_acknowledgement_is_undone_once() -> None:
    court = Court()
    alert_id = fired(court)
    court.commit([court.judge.acknowledge(alert_id, "ana", None, at(70))])
    assert court.commit([court.judge.unacknowledge(alert_id, "ana", at(80))]) == ["unacknowledged error"]
    with pytest.raises(NotFound):
        court.judge.unacknowledge(alert_id, "ana", at(90))


ABSENT = Rule("no-heartbeat", "app.heartbeat", ((W, 30.0), (C, 120.0)), function="absent", for_s=0.0)


def beat(after_s: float) -> MetricsBatch:
    return batch(after_s, gauges={"app.heartbeat": 1.0, "other": 1.0})


def test_a_series_that_is_absent_fires_and_resolves_when_it_is_there_again() -> None:
    court = Court(ABSENT)
    court.hear(beat(0))
    assert court.listen(20) == []
    court.hear(batch(20, gauges={"other": 1.0}))
    assert court.listen(11) == ["fired warning"]
    assert court.listen(100) == ["severity_changed critical"]
    assert court.hear(batch(140, gauges={"other": 1.0})) == []
    assert court.hear(beat(150)) == ["resolved recovery"]


def test_a_source_that_falls_silent_is_absent_too_and_one_that_left_is_not() -> None:
    court = Court(ABSENT)
    court.hear(beat(0))
    assert court.listen(31) == ["fired warning"]
    assert court.hear(batch(40, final=True)) == ["resolved source_left"]
    assert court.listen(600) == []


def test_absence_survives_a_restart_and_never_ends_by_it() -> None:
    court = Court(ABSENT)
    court.hear(beat(0))
    court.listen(31)
    court.restart()
    assert court.listen(10) == []
    assert court.states() == [State.FIRING]
    assert court.hear(beat(50)) == ["resolved recovery"]


def test_a_rule_that_comes_by_reload_waits_for_sources_that_are_silent_already() -> None:
    court = Court()
    court.hear(beat(0))
    court.commit(court.judge.reload(type(court.rules)([ABSENT]), at(1)))
    assert court.listen(31) == ["fired warning"]
