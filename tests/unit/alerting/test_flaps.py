"""What leaves a channel's desk of a series that flaps: it begins, digests, it is stable."""

from __future__ import annotations

from itertools import pairwise

import pytest

from atalaia.events.alerts import Severity
from services.alerting.domain.delivery import Desk
from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import CPU, T0, Court, W, cpu
from tests.unit.alerting.desks import DELIVERED, REFUSED, REJECTED, Scene

AT_ONCE = Rule("at-once", CPU, ((W, 0.8),), for_s=0.0)
HOUR_S = 3600


def flaps(scene: Scene, number: int, at_s: float, **more: object) -> Scene:
    """Have alert `a#<number>` fire, and resolve five seconds later."""
    scene.at(at_s).happens(f"a#{number}", "fired", flapping=True, **more)
    return scene.at(at_s + 5).happens(f"a#{number}", "resolved", flapping=True, **more)


def begun() -> Scene:
    """Return a scene whose channel was told that `a` flaps, at 0 s; a#1 still fires."""
    scene = Scene().happens("a#1", "fired", flapping=True)
    assert scene.leaves() == ["group: a#1 fired"]
    scene.at(5).happens("a#1", "resolved", flapping=True)
    return scene


def stable(scene: Scene, number: int, at_s: float) -> Scene:
    return scene.at(at_s).happens(f"a#{number}", "stabilized", state="resolved", resolved_by="recovery")


def test_it_begins_at_once_and_more_of_the_same_waits() -> None:
    scene = begun()
    assert flaps(scene, 2, 20).leaves() == []
    assert flaps(scene, 3, 1790).leaves() == []


def test_a_digest_lists_what_changed() -> None:
    scene = flaps(begun(), 2, 20)
    scene.at(1800).happens("a#3", "fired", flapping=True)
    assert scene.leaves() == ["group: a#1 resolved, a#2 fired+resolved, a#3 fired"]


def test_digests_are_ever_further_apart() -> None:
    scene, digests = begun(), []
    for number in range(2, 24 * 60):
        digests += [number for _ in flaps(scene, number, number * 60.0).leaves()]
    assert [round(later - sooner, -1) for sooner, later in pairwise([0, *digests])] == [30, 60, 120, 240, 480]


def test_the_end_is_told_at_once_with_all_that_waits() -> None:
    scene = flaps(begun(), 2, 20)
    assert stable(scene, 2, 625).leaves() == ["group: a#1 resolved, a#2 fired+resolved+stabilized"]
    assert scene.desk.flaps == {}


def test_the_end_is_told_when_all_else_was() -> None:
    scene = begun()
    assert flaps(scene, 2, 1800).leaves() == ["group: a#1 resolved, a#2 fired"]
    scene.at(3700)
    assert flaps(scene, 3, 5500).leaves() == ["group: a#2 resolved, a#3 fired"]
    scene.at(9000).happens("a#4", "fired", flapping=True)
    assert stable(scene, 3, 9100).leaves()[0].endswith("a#3 resolved+stabilized, a#4 fired")


def test_the_end_of_a_series_whose_alerts_are_all_over_is_a_message() -> None:
    scene = flaps(begun(), 2, 1795)
    assert scene.leaves() == ["group: a#1 resolved, a#2 fired+resolved"]
    assert stable(scene, 2, 2400).leaves() == ["group: a#2 stabilized"]


def test_what_was_held_back_for_a_day_is_not_given_up_for_that() -> None:
    scene = begun()
    (end,) = stable(scene, 1, 90_000).due()
    assert end.since == scene.now
    scene.answer(end, REFUSED)
    (again,) = scene.at(90_000 + 86_390).due()
    assert again.since == end.since
    scene.answer(again, DELIVERED)
    (start,) = scene.at(200_000).happens("a#2", "fired", flapping=True).due()
    assert start.since == scene.now


def test_what_fires_after_it_was_stable_is_told_as_ever() -> None:
    scene = flaps(begun(), 2, 20)
    stable(scene, 2, 625).leaves()
    assert scene.at(700).happens("a#3", "fired").leaves() == ["group: a#3 fired"]


def test_what_fires_on_is_stable_too() -> None:
    scene = begun()
    scene.at(10).happens("a#2", "fired", flapping=True).at(610).happens("a#2", "stabilized")
    assert scene.leaves() == ["group: a#1 resolved, a#2 fired+stabilized"]
    assert scene.at(620).happens("a#2", "resolved").leaves() == ["group: a#2 resolved"]


def test_it_gets_worse_than_was_told() -> None:
    scene = flaps(begun(), 2, 20)
    scene.at(40).happens("a#3", "fired", flapping=True, severity=Severity.CRITICAL)
    assert scene.leaves() == ["group: a#1 resolved, a#2 fired+resolved, a#3 fired"]
    assert flaps(scene, 4, 60, severity=Severity.CRITICAL).leaves() == []


@pytest.mark.parametrize("what", ["went_stale", "acknowledged"])
def test_other_news_is_not_held_back(what: str) -> None:
    scene = begun()
    scene.at(10).happens("a#2", "fired", what, flapping=True)
    assert scene.leaves() == [f"group: a#1 resolved, a#2 fired+{what}"]


def test_another_series_does_not_wait() -> None:
    scene = begun()
    assert scene.at(30).happens("b", "fired").leaves() == ["group: b fired"]


def test_a_source_that_leaves_ends_it() -> None:
    scene = begun()
    scene.at(10).happens("a#2", "fired", flapping=True).happens("a#2", "resolved", resolved_by="source_left")
    assert scene.leaves() == ["group: a#1 resolved, a#2 fired+resolved"]
    assert scene.desk.flaps == {}


@pytest.mark.parametrize("outcome", [REFUSED, REJECTED])
def test_it_begins_once_the_channel_was_told(outcome: object) -> None:
    scene = Scene().happens("a#1", "fired", flapping=True)
    scene.leaves(outcome)  # type: ignore[arg-type]
    scene.at(5).happens("a#1", "resolved", flapping=True).at(40).happens("a#2", "fired", flapping=True)
    assert scene.leaves()[0].endswith("a#2 fired")
    assert len(scene.desk.flaps) == 1


def test_after_an_outage_it_is_one_message() -> None:
    scene = Scene().happens("a#1", "fired", flapping=True)
    scene.leaves(REFUSED)
    scene.at(5).happens("a#1", "resolved", flapping=True)
    stable(flaps(scene, 2, 20), 2, 900)
    assert scene.leaves() == ["group: a#1 fired+resolved, a#2 fired+resolved+stabilized"]
    assert scene.desk.flaps == {}


def test_a_silence_hides_it_and_its_end_is_told_where_it_was_known() -> None:
    scene = begun()
    scene.hides = lambda event: True
    assert scene.leaves() == ["group: a#1 resolved"]
    assert flaps(scene, 2, 4000).leaves() == []
    assert stable(scene, 2, 5000).leaves() == ["group: a#2 stabilized"]


def test_what_a_silence_does_not_hide_begins_it() -> None:
    scene = Scene()
    scene.hides = lambda event: event.severity is Severity.WARNING
    scene.happens("a#1", "fired", flapping=True)
    scene.at(5).happens("a#2", "fired", flapping=True, severity=Severity.CRITICAL)
    assert scene.leaves() == ["group: a#2 fired"]


def test_a_silence_does_not_hide_the_end_with_what_was_before_it() -> None:
    scene = begun()
    scene.hides = lambda event: True
    scene.leaves()
    scene.at(4000).happens("a#2", "fired", "resolved", flapping=True)
    assert stable(scene, 2, 4700).leaves() == ["group: a#2 stabilized"]
    assert scene.desk.flaps == {}


def test_a_source_that_left_in_silence_begins_anew() -> None:
    scene = begun()
    scene.hides = lambda event: True
    scene.leaves()
    scene.at(60).happens("a#2", "fired", flapping=True).happens("a#2", "resolved", resolved_by="source_left")
    assert scene.leaves() == []
    scene.hides = lambda event: False
    assert scene.at(300).happens("a#3", "fired", flapping=True).leaves() == ["group: a#3 fired"]


def test_nothing_is_told_of_what_flapped_in_silence() -> None:
    scene = Scene()
    scene.hides = lambda event: True
    assert stable(flaps(scene, 1, 0), 1, 700).leaves() == []
    scene.hides = lambda event: False
    assert scene.at(800).leaves() == []
    assert scene.desk.waiting == 0


def an_hour(low: float, high: float, *, every_s: int, at_once: int) -> list[str]:
    """Judge an hour of a value that swings, then a quarter of an hour of a good one; return what is told.

    A desk sees so many transitions at once, and dies after each message.
    """
    court, scene = Court(AT_ONCE), Scene()
    values = [(at_s, high if at_s // every_s % 2 else low) for at_s in range(0, HOUR_S, every_s)]
    values += [(at_s, 0.1) for at_s in range(HOUR_S, HOUR_S + 900, every_s)]
    for at_s, value in values:
        court.hear(cpu(at_s, value))
    told: list[str] = []
    events = [change.event() for change in court.changes if change.transition is not None]
    for start in range(0, len(events), at_once):
        for event in events[start : start + at_once]:
            scene.at((event.at - T0).total_seconds())
            fields = event.model_dump(exclude={"alert_id", "transition"})
            scene.happens(f"web-1#{event.alert_id}/at-once", event.transition.value, **fields)
        while leaving := scene.leaves(DELIVERED):
            told += leaving
    assert scene.desk.waiting == 0
    return told


def test_an_hour_within_the_clear_band_is_one_message() -> None:
    assert len(an_hour(0.75, 0.85, every_s=10, at_once=1)) <= 2


@pytest.mark.parametrize("every_s", [10, 30, 60])
@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_an_hour_beyond_it_is_a_beginning_a_digest_and_an_end(every_s: int, at_once: int) -> None:
    told = an_hour(0.1, 0.9, every_s=every_s, at_once=at_once)
    begins = next(n for n, message in enumerate(told) if "#0003/" in message)
    assert len(told) - begins == 3
    assert begins <= 4  # the two times before it was flapping
    assert told[-1].endswith("+stabilized")


def test_the_record_belongs_to_the_channel_not_to_a_desk() -> None:
    scene = begun()
    other = Desk("ops")
    other.flaps = dict(scene.desk.flaps)
    other.take([scene.notice("a#2", "fired", flapping=True)])
    assert other.due(scene.now, lambda event: False) == []
