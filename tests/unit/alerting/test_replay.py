"""What a replay says of recorded messages."""

from __future__ import annotations

import io
import json
from datetime import datetime

from atalaia.events.metrics import MetricsBatch
from services.alerting.cli.reports import Progress, as_json, as_text
from services.alerting.domain.retrial import Retrial, Tally, tallies
from services.alerting.domain.rules import Rule, Rules
from tests.unit.alerting.builders import CPU, HIGH_CPU, PARTITION, C, E, W, at, batch, cpu

SOON = Rule("soon", CPU, ((W, 0.8), (C, 0.95)), for_s=0.0)
MEAN = Rule("mean", CPU, ((W, 0.8),), function="avg", window_s=60.0, for_s=0.0)


def retried(*batches: MetricsBatch, rules: tuple[Rule, ...] = (SOON,), since_s: float = 0.0) -> Retrial:
    retrial = Retrial(Rules(rules), at(since_s))
    for one in batches:
        retrial.hear(one, one.at, PARTITION)
    return retrial


def tallied(*batches: MetricsBatch, rule: Rule = SOON) -> Tally:
    retrial = retried(*batches, rules=(rule,))
    (tally,) = tallies(Rules([rule]), retrial.transitions, retrial.until)
    return tally


def said(retrial: Retrial) -> list[str]:
    return [f"{one.transition} {one.resolved_by or one.severity.value}" for one in retrial.transitions]


def test_an_alert_counts_once_with_the_worst_it_reached_and_how_long_it_fired() -> None:
    tally = tallied(cpu(0, 0.85), cpu(10, 0.99), cpu(30, 0.85), cpu(40, 0.1))
    assert (tally.fired, tally.by_severity, tally.firing_s) == (1, {W: 0, E: 0, C: 1}, 40.0)


def test_what_still_fires_has_fired_up_to_the_last_message() -> None:
    tally = tallied(cpu(0, 0.85), cpu(50, 0.85))
    assert (tally.still_firing, tally.firing_s) == (1, 50.0)


def test_what_fires_again_within_ten_minutes_flaps() -> None:
    tally = tallied(cpu(0, 0.9), cpu(10, 0.1), cpu(20, 0.9), cpu(30, 0.1), cpu(700, 0.9))
    assert (tally.fired, tally.flaps) == (3, 1)


def test_what_was_stored_before_fills_windows_in_silence() -> None:
    before = [cpu(-30, 0.99), cpu(-20, 0.99), cpu(-10, 0.99)]
    assert said(retried(*before, cpu(0, 0.5), rules=(MEAN,))) == ["fired warning"]
    assert said(retried(cpu(0, 0.5), rules=(MEAN,))) == []


def test_one_source_that_falls_silent_is_stale_as_it_would_have_been() -> None:
    others = [cpu(after_s, 0.1, source="web-2") for after_s in range(10, 90, 10)]
    assert said(retried(cpu(0, 0.9), *others)) == ["fired warning", "went_stale warning"]


def test_silence_of_everything_is_nobody_listening() -> None:
    assert said(retried(cpu(0, 0.9), cpu(3600, 0.9))) == ["fired warning"]


def test_a_message_that_came_late_changes_nothing() -> None:
    assert said(retried(cpu(0, 0.9), cpu(20, 0.9), cpu(10, 0.1))) == ["fired warning"]


def test_a_rule_that_matches_nothing_shows_no_series() -> None:
    other = Rule("other", "queue.length", ((W, 1.0),))
    assert retried(cpu(0, 0.1), rules=(SOON, other)).series_judged() == {"soon": 1, "other": 0}


def test_people_see_transitions_a_table_and_what_is_not_recorded() -> None:
    retrial = retried(cpu(0, 0.1), cpu(300, 0.99, source="web-2"), rules=(HIGH_CPU, SOON))
    text = as_text(retrial, tallies(Rules([HIGH_CPU, SOON]), retrial.transitions, retrial.until))
    assert text == (
        "2026-11-24 12:05:00Z  fired             critical     soon of web-2  "
        "soon of web-2: 0.99 beyond 0.95\n"
        "\n"
        "rule      series  fired  warning  error  critical   firing for  flaps\n"
        "high-cpu       2      0        0      0         0            -      0\n"
        "soon           2      1        0      0         1  0 ms, still      0\n"
        "\n"
        "2026-11-24 12:00:00Z to 2026-11-24 12:05:00Z: 2 messages of 2 sources, 0 unreadable\n"
        "1 of the sources are not recorded that far back, one only from 2026-11-24 12:05:00Z on\n"
    )


def test_programs_get_one_document() -> None:
    retrial = retried(cpu(0, 0.9), batch(10, gauges={"other": 1.0}))
    document = json.loads(as_json(retrial, tallies(Rules([SOON]), retrial.transitions, retrial.until)))
    assert [one["transition"] for one in document["transitions"]] == ["fired", "went_stale"]
    assert document["rules"] == [
        {
            "rule": "soon",
            "series": 0,
            "fired": 1,
            "by_severity": {"warning": 1, "error": 0, "critical": 0},
            "firing_s": 10.0,
            "still_firing": 1,
            "flaps": 0,
        }
    ]


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def monotonic_s(self) -> float:
        return self.seconds


def test_progress_is_told_after_two_seconds_and_not_at_every_message() -> None:
    watch, out = Watch(), io.StringIO()
    progress = Progress(watch, out)
    for tenths in range(60):
        watch.seconds = tenths / 10
        progress.at(at(0), 100, 100)
    progress.done()
    assert out.getvalue() == "replaying:  95%, 2100 messages, at 2026-11-24 12:00:00Z\n"
