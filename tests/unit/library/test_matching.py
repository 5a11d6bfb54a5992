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


def test_they_are_spelt_as_they_were() -> None:
    given: Spelt = {"a": "b", "c": {"!~": "d"}}
    assert spelt(conditions(given)) == given


def test_an_alerts_own_labels_win() -> None:
    labels = alert_labels(
        rule="r", source="s", kind="k", group="g", severity="error", series='m{x="1"}', labels={"rule": "no"}
    )
    assert labels["rule"] == labels["alertname"] == "r"
    assert labels["x"] == "1"
