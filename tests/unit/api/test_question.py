"""Questions to the live stream, and the ids of its events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Invalid
from services.api.domain.question import LETTERS, Place, Question, Sources, labels_of, topics_of

REACHED = st.dictionaries(st.sampled_from(list(LETTERS)), st.integers(0, 10**18 - 1))


@given(reached=REACHED, stream=st.from_regex(r"[0-9a-f]{1,8}", fullmatch=True))
def test_an_id_says_how_far_a_reader_has_come(reached: dict[str, int], stream: str) -> None:
    place = Place("0a1b2c3d", stream, Question(("health",)).mark, reached)
    assert Place.read(place.spelt()) == place


@given(text=st.text())
def test_any_text_is_a_place_or_none(text: str) -> None:
    place = Place.read(text)
    assert place is None or place.spelt() == text


def test_another_question_has_another_mark() -> None:
    questions = [
        Question(("health",)),
        Question(("alerts",)),
        Question(("points",), metrics=("a",)),
        Question(("points",), metrics=("b",)),
        Question(("points",), Sources(source="a")),
        Question(("points",), Sources(kind="a")),
    ]
    assert len({one.mark for one in questions}) == len(questions)


def test_topics_in_any_order_are_the_same_question() -> None:
    assert topics_of("alerts, health,alerts") == topics_of("health,alerts") == ("health", "alerts")
    assert "points" not in topics_of(None)


@pytest.mark.parametrize("text", ["", "cats", "health,", "HEALTH"])
def test_what_is_no_topic_is_named_beside_those_that_are(text: str) -> None:
    with pytest.raises(Invalid, match="there are health, alerts") as raised:
        topics_of(text)
    assert raised.value.field == "topics"


def test_a_label_s_value_may_hold_anything() -> None:
    assert labels_of(["http.route=/a=b", "k="]) == (("http.route", "/a=b"), ("k", ""))
    with pytest.raises(Invalid):
        labels_of(["=v"])
