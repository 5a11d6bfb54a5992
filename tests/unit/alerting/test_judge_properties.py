"""What holds for every course of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.alerts import Transition
from atalaia.events.metrics import MetricsBatch
from tests.unit.alerting.builders import Court, cpu

values = st.sampled_from((0.1, 0.75, 0.85, 0.92, 0.99))
gaps = st.sampled_from((10.0, 30.0, 60.0, 70.0, 400.0))
courses = st.lists(st.tuples(gaps, values), min_size=1, max_size=25)


def messages(course: list[tuple[float, float]]) -> list[MetricsBatch]:
    at_s, made = 0.0, []
    for gap_s, value in course:
        at_s += gap_s
        made.append(cpu(at_s, value))
    return made


def transitions(court: Court) -> list[tuple[str, str, str]]:
    return [
        (change.alert.key.source, str(change.transition), str(change.at))
        for change in court.changes
        if change.transition is not None
    ]


def judged(course: list[MetricsBatch], disturb: Callable[[Court, int], None] | None = None) -> Court:
    court = Court()
    for position, message in enumerate(course):
        if disturb is not None:
            disturb(court, position)
        court.hear(message)
    return court


@given(courses, st.sets(st.integers(0, 24), max_size=4))
def test_restarts_anywhere_change_nothing(course: list[tuple[float, float]], where: set[int]) -> None:
    sent = messages(course)

    def restart(court: Court, position: int) -> None:
        if position in where:
            court.restart()

    assert transitions(judged(sent, restart)) == transitions(judged(sent))


@given(courses, st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=10))
def test_repeats_change_nothing(course: list[tuple[float, float]], repeats: list[tuple[int, int]]) -> None:
    sent = messages(course)

    def repeat(court: Court, position: int) -> None:
        # one by one: six that rise would be a clock that was set back
        earlier = [of for where, of in repeats if where == position and of < position]
        for of in sorted(earlier, reverse=True):
            court.hear(sent[of])

    assert transitions(judged(sent, repeat)) == transitions(judged(sent))


@given(courses)
def test_every_resolved_follows_one_fired_and_a_good_value(course: list[tuple[float, float]]) -> None:
    court = judged(messages(course))
    good_at = {message.at for message in messages(course) if message.gauges["system.cpu.utilization"] <= 0.72}
    fired: dict[str, int] = {}
    for change in court.changes:
        if change.transition is Transition.FIRED:
            fired[change.alert.alert_id] = fired.get(change.alert.alert_id, 0) + 1
        if change.transition is Transition.RESOLVED:
            assert fired.get(change.alert.alert_id) == 1
            assert change.at in good_at
    assert all(count == 1 for count in fired.values())


@dataclass(frozen=True)
class Disturbed:
    """A message's interval and value, by how much its clock is wrong, and what comes before it."""

    gap_s: float
    value: float
    wrong_s: float
    before: str


disturbed = st.builds(
    Disturbed,
    st.sampled_from((10.0, 30.0, 70.0, 600.0)),
    values,
    st.sampled_from((0.0, 0.0, 0.0, 60.0, -60.0)),
    st.sampled_from(("", "", "repeats", "shuffled", "restart", "silence")),
)


@given(st.lists(disturbed, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_whatever_happens_on_the_way_nothing_is_resolved_or_invented(
    course: list[Disturbed], dice: Random
) -> None:
    """Clocks that step, gaps of ten minutes, silence, restarts, what comes late, again and shuffled."""
    court, sent, now_s = Court(), list[MetricsBatch](), 0.0
    value_at: dict[datetime, float] = {}
    for number, one in enumerate(course):
        now_s += one.gap_s
        if one.before in ("repeats", "shuffled"):
            again = sent[-4:]
            if one.before == "shuffled":
                dice.shuffle(again)
            court.hear(*again, stored_after_s=now_s)
        elif one.before == "restart":
            court.restart()
        elif one.before == "silence":
            court.listen(one.gap_s, now_s=now_s)
        message = cpu(now_s + one.wrong_s + number * 1e-6, one.value)  # no two at one moment
        sent.append(message)
        value_at[message.at] = one.value
        court.hear(message, stored_after_s=now_s)
    firing: set[str] = set()
    for change in court.changes:
        if change.transition is Transition.FIRED:
            assert value_at[change.at] > 0.80
            firing.add(change.alert.alert_id)
        elif change.transition is Transition.RESOLVED:
            assert value_at[change.at] <= 0.72
            firing.remove(change.alert.alert_id)


@given(courses, st.lists(st.floats(0.1, 500), max_size=25))
def test_silence_never_resolves(course: list[tuple[float, float]], silences: list[float]) -> None:
    court = Court()
    for message, silence_s in zip(messages(course), silences, strict=False):
        court.hear(message)
        said = court.listen(silence_s)
        assert all(word.startswith("went_stale") for word in said)
