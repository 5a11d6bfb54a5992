"""The health score: it adds up, and never rises when something gets worse."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.alerts import Severity
from services.api.domain.health import Firing, State, Troubles, assess

severities = st.sampled_from(list(Severity))
firing = st.lists(st.builds(Firing, severities, st.text(max_size=5)), max_size=20).map(tuple)
STATES: tuple[State, ...] = ("off", "up", "slow", "down")
dependencies = st.fixed_dictionaries(
    {name: st.sampled_from(STATES) for name in ("nats", "postgres", "redis", "prometheus")}
)
absent = st.sets(st.sampled_from(("alerting", "collector", "loadgen", "api"))).map(
    lambda one: tuple(sorted(one))
)
warnings = st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=3).map(tuple)
troubles = st.builds(Troubles, firing=firing, dependencies=dependencies, absent=absent, warnings=warnings)


def test_nothing_wrong_is_a_hundred() -> None:
    health = assess(Troubles(dependencies={"nats": "up", "redis": "off"}))
    assert (health.score, health.deductions, health.status) == (100.0, (), "healthy")


@given(troubles)
def test_the_deductions_add_up_to_the_difference_from_a_hundred(given: Troubles) -> None:
    health = assess(given)
    assert 0 <= health.score <= 100
    assert abs(100 - sum(one.points for one in health.deductions) - health.score) < 1e-9


@given(troubles, severities)
def test_another_alert_never_raises_the_score(given: Troubles, severity: Severity) -> None:
    worse = replace(given, firing=(*given.firing, Firing(severity, "one more")))
    assert assess(worse).score <= assess(given).score


@given(troubles, st.sampled_from(("nats", "postgres", "redis")))
def test_a_worse_dependency_never_raises_the_score(given: Troubles, name: str) -> None:
    scores = [
        assess(replace(given, dependencies={**given.dependencies, name: state})).score
        for state in ("up", "slow", "down")
    ]
    assert scores == sorted(scores, reverse=True)


@given(troubles, st.integers(0, 19))
def test_a_higher_severity_never_raises_the_score(given: Troubles, position: int) -> None:
    if position < len(given.firing):
        alerts = list(given.firing)
        alerts[position] = Firing(Severity.CRITICAL, alerts[position].summary)
        assert assess(replace(given, firing=tuple(alerts))).score <= assess(given).score


@given(troubles, st.sampled_from(("alerting", "collector", "loadgen")))
def test_a_missing_service_or_a_warning_never_raises_the_score(given: Troubles, service: str) -> None:
    missing = replace(given, absent=tuple({*given.absent, service}))
    warned = replace(given, warnings=(*given.warnings, (service, "trouble")))
    assert assess(missing).score <= assess(given).score
    assert assess(warned).score <= assess(given).score


def test_a_vital_dependency_down_is_unhealthy() -> None:
    for name in ("nats", "postgres"):
        assert assess(Troubles(dependencies={name: "down"})).status == "unhealthy"
