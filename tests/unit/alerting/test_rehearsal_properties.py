"""Rehearsals and replays say what the judge says of the same messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.matching import Condition
from atalaia.events.metrics import MetricsBatch
from services.alerting.domain.alert import Change
from services.alerting.domain.rehearsal import BEGINS_AT, rehearse
from services.alerting.domain.retrial import Retrial
from services.alerting.domain.rule_tests import RuleTest, Sender
from services.alerting.domain.rules import Rule, Rules
from tests.unit.alerting.builders import CPU, HIGH_CPU, PARTITION, T0, Court, E, W, batch, delta

JOBS, TOOK = "jobs.failed", "http.server.request.duration"
FAILED = TOOK + '{http.response.status_code="500"}'
STEP_S = 20.0
RULES = (
    HIGH_CPU,
    Rule("jobs", JOBS, ((W, 5.0), (E, 20.0)), by="group", function="increase", window_s=60.0, for_s=0.0),
    Rule("slow", TOOK, ((W, 1.0),), by="group", function="p95", window_s=60.0, for_s=20.0),
    Rule(
        "errors",
        TOOK,
        ((W, 0.1),),
        by="group",
        function="share",
        of=(Condition("http.response.status_code", "=", "500"),),
        window_s=60.0,
        for_s=20.0,
    ),
    Rule("mean", CPU, ((W, 0.5),), function="avg", window_s=40.0, for_s=0.0, keep_firing_s=40.0),
)
shown = st.sampled_from((0.1, 0.75, 0.85, 0.99, None))
grown = st.sampled_from((0.0, 1.0, 10.0, 50.0, None))
took = st.lists(st.sampled_from((0.05, 0.9, 3.0)), max_size=4).map(tuple) | st.none()
steps = st.lists(st.tuples(shown, grown, took, took), min_size=1, max_size=20)
Step = tuple[float | None, float | None, tuple[float, ...] | None, tuple[float, ...] | None]


def sender(name: str, course: list[Step]) -> Sender:
    return Sender(
        name,
        kind="app",
        group="shop",
        every_ms=int(STEP_S * 1000),
        gauges={CPU: [step[0] for step in course]},
        counters={JOBS: [step[1] for step in course]},
        histograms={
            TOOK: [None if step[2] is None else delta(*step[2]) for step in course],
            FAILED: [None if step[3] is None else delta(*step[3]) for step in course],
        },
    )


def message(name: str, position: int, step: Step) -> MetricsBatch | None:
    value, counter, good, failed = step
    if step == (None, None, None, None):
        return None
    return batch(
        position * STEP_S,
        source=name,
        kind="app",
        group="shop",
        interval_s=STEP_S,
        gauges={} if value is None else {CPU: value},
        counters={} if counter is None else {JOBS: counter},
        histograms={
            **({} if good is None else {TOOK: delta(*good)}),
            **({} if failed is None else {FAILED: delta(*failed)}),
        },
    )


def sent(courses: dict[str, list[Step]]) -> list[tuple[int, list[MetricsBatch]]]:
    longest = max(map(len, courses.values()))
    return [
        (
            position,
            [
                one
                for name, course in courses.items()
                if position < len(course) and (one := message(name, position, course[position]))
            ],
        )
        for position in range(longest)
    ]


def announced(changes: list[Change]) -> list[tuple[object, ...]]:
    return [
        (event.rule, event.source, event.transition, event.severity, event.value, event.at - T0)
        for event in (change.event() for change in changes if change.transition is not None)
    ]


@given(steps, steps)
def test_a_rehearsal_is_what_the_judge_says(one: list[Step], other: list[Step]) -> None:
    courses = {"shop-1": one, "shop-2": other}
    court = Court(*RULES)
    listened_s = 0.0
    for position, batches in sent(courses):
        if batches:
            while listened_s < position * STEP_S:
                listened_s += 1
                court.listen(1, now_s=listened_s)
            court.hear(*batches)
    test = RuleTest("any", 1, tuple(sender(name, course) for name, course in courses.items()))
    rehearsed = [
        (event.rule, event.source, event.transition, event.severity, event.value, event.at - BEGINS_AT)
        for event in rehearse(test, Rules(RULES)).transitions
    ]
    assert rehearsed == announced(court.changes)


@given(steps, steps)
def test_a_replay_is_what_the_judge_says(one: list[Step], other: list[Step]) -> None:
    court, retrial = Court(*RULES), Retrial(Rules(RULES), T0)
    for position, batches in sent({"shop-1": one, "shop-2": other}):
        if batches and position:
            for second in range(int((batches[0].at - retrial.until).total_seconds())):
                if second < 30:  # more of nothing at all is nobody listening
                    court.listen(1, now_s=(retrial.until - T0).total_seconds() + second + 1)
        court.hear(*batches)
        for heard in batches:
            retrial.hear(heard, heard.at, PARTITION)
    replayed = [
        (event.rule, event.source, event.transition, event.severity, event.value, event.at - T0)
        for event in retrial.transitions
    ]
    assert replayed == announced(court.changes)
