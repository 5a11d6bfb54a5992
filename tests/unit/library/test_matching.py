"""Conditions on labels."""

from __future__ import annotations

import pytest

from atalaia.errors import Invalid
from atalaia.events.matching import Spelt, alert_labels, conditions, hold, match_everything, spelt

WEB = {"source": "web-1", "rule": "high-cpu", "team": "core"}


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({}, True),
        ({"source": "web-1"}, True),
        ({"source": "web"}, False),
        ({"source": {"!=": "web-1"}}, False),
        ({"source": {"=~": "web"}}, False),
        ({"source": {"=~": "web-.*"}}, True),
        ({"source": {"!~": "db-.*"}}, True),
        ({"absent": ""}, True),
        ({"absent": {"=~": ".+"}}, False),
        ({"source": "web-1", "team": "other"}, False),
    ],
)
def test_what_holds(given: Spelt, holds: bool) -> None:
    assert hold(conditions(given), WEB) is holds


@pytest.mark.parametrize(
    ("given", "everything"),
    [
        ({}, True),
        ({"source": {"=~": ".*"}}, True),
        ({"source": {"=~": ".+"}, "rule": {"!=": ""}}, True),
        ({"severity": {"=~": "warning|error|critical"}}, True),
        ({"severity": {"=~": "warning|critical"}}, False),
        ({"team": {"=~": ".+"}}, False),
        ({"team": {"=~": ".*"}}, True),
        ({"source": {"!=": "web-1"}}, False),
        ({"source": "web-1"}, False),
    ],
)
def test_what_matches_everything(given: Spelt, everything: bool) -> None:
    assert match_everything(conditions(given)) is everything


@pytest.mark.parametrize("given", [{"a": {"=~": "("}}, {"a": {"~": "b"}}, {"a": {}}, {"a": "x" * 501}])
def test_what_is_none(given: Spelt) -> None:
    with pytest.raises(Invalid) as caught:
        conditions(given)
    assert caught.value.field == "a"


@pytest.mark.parametrize("op", ["=~", "!~"])
@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*a){25}b", "([a-z]+)*[A-Z]"])
def test_no_pattern_takes_long(pattern: str, op: str) -> None:
    given = conditions({"source": {op: pattern}})
    # by steps back and forth, as others match, it would take longer than the universe has
    assert hold(given, {"source": "a" * 10_000}) is (op == "!~")


@pytest.mark.parametrize("pattern", ["(?!a)b", r"(a)\1", "(a{1000}){1000}"])
def test_what_cannot_be_matched_in_a_bounded_time_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="no regular expression of RE2's"):
        conditions({"source": {"=~": pattern}})


def test_half_a_character_is_matched_by_nothing_and_breaks_nothing() -> None:
    assert not hold(conditions({"source": {"=~": "\ud800"}}), WEB)
    assert hold(conditions({"source": {"=~": ".*"}}), {"source": "web-1"})
    assert not hold(conditions({"source": {"=~": "web"}}), {"source": "\udfff"})


def test_they_are_spelt_as_they_were() -> None:
    given: Spelt = {"a": "b", "c": {"!~": "d"}}
    assert spelt(conditions(given)) == given


def test_an_alerts_own_labels_win() -> None:
    labels = alert_labels(
        rule="r", source="s", kind="k", group="g", severity="error", series='m{x="1"}', labels={"rule": "no"}
    )
    assert labels["rule"] == labels["alertname"] == "r"
    assert labels["x"] == "1"
