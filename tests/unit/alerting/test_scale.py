"""A rule costs nothing for series that it does not select; sources that look alike share what is known."""

from __future__ import annotations

import pytest

from atalaia.events.matching import Condition
from services.alerting.domain.judge import Judge
from services.alerting.domain.rules import Rule, Rules
from tests.unit.alerting.builders import CPU, PARTITION, Court, W, batch, cpu, delta

WHOSE = {"kind": "host", "group": "web-1", "source": "web-1"}


def for_source(name: str, **fields: object) -> Rule:
    return Rule(f"only-{name}", CPU, ((W, 0.8),), match=(Condition("source", "=", name),), for_s=0.0)


def test_rules_of_other_sources_are_not_even_looked_at() -> None:
    rules = Rules([for_source(f"web-{n}") for n in range(1000)])
    looked_at = list(rules._by_metric[CPU].candidates(WHOSE))
    assert [rule.name for rule in looked_at] == ["only-web-1"]


@pytest.mark.parametrize(
    ("key", "op", "value", "selected"),
    [
        ("source", "=", "web-1", True),
        ("source", "=", "web-2", False),
        ("group", "=", "web-1", True),
        ("kind", "=", "app", False),
        ("source", "=~", "web-.*", True),
        ("zone", "=", "", True),
        ("zone", "=", "a", False),
        ("zone", "!=", "a", True),
    ],
)
def test_the_index_finds_what_the_matchers_select(key: str, op: object, value: str, selected: bool) -> None:
    rule = Rule("r", CPU, ((W, 0.8),), match=(Condition(key, op, value),))  # type: ignore[arg-type]
    assert list(Rules([rule]).selecting(CPU, WHOSE)) == ([rule] if selected else [])


def test_ten_thousand_rules_and_sources_each_judge_their_own() -> None:
    count = 10_000
    judge = Judge(Rules([for_source(f"s{n}") for n in range(count)]), lambda at: "id")
    fired = 0
    for n in range(count):
        one = cpu(0, 0.9 if n % 100 == 0 else 0.1, source=f"s{n}")
        fired += len(judge.observe(one, one.at, PARTITION))
    assert fired == count // 100


def test_sources_that_look_alike_share_one_plan() -> None:
    court = Court()
    court.hear(cpu(0, 0.1, source="a"), cpu(0, 0.1, source="b"))
    plans = {id(subject.plan) for subject in court.judge._subjects.values()}
    assert len(plans) == 1


def test_a_rule_for_one_source_is_not_shared_with_the_other() -> None:
    court = Court(for_source("a"))
    assert court.hear(cpu(0, 0.9, source="b"), cpu(0, 0.9, source="a")) == ["fired warning"]
    assert [alert.key.source for alert in court.stored.values()] == ["a"]


DURATION = "http.server.request.duration"
BY_ROUTE = Rule(
    "slow",
    DURATION,
    ((W, 1.0),),
    by="group",
    by_labels=("http.route",),
    function="p95",
    window_s=60,
    for_s=0.0,
)


def test_series_that_agree_in_the_labels_are_judged_as_one() -> None:
    court = Court(BY_ROUTE)
    slow, fast = delta(*[2.0] * 10), delta(*[0.1] * 10)

    def series(method: str, route: str) -> str:
        return f'{DURATION}{{http.request.method="{method}",http.route="{route}"}}'

    events = {series("GET", "/a"): slow, series("PUT", "/a"): slow, series("GET", "/b"): fast}
    assert court.hear(batch(0, source="x", kind="app", group="shop", histograms=events)) == ["fired warning"]
    event = court.changes[-1].event()
    assert (event.source, event.series) == ("shop", f'{DURATION}{{http.route="/a"}}')
