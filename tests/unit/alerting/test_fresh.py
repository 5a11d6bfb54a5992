"""What was just committed leaves from memory only while nothing in the table must leave first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.adapters.fresh import CLAIM_S, PUBLISH_WITHIN_S, Fresh, Row

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def row(number: int, alert_id: str = "A") -> Row:
    return Row(number, alert_id, number, "subject", "warning", NOON, "{}")


def rows(*numbers: int) -> list[Row]:
    return [row(number, f"A{number}") for number in numbers]


def trusting(*, at_most: int = 10) -> Fresh:
    """Return one that has found the table empty."""
    fresh = Fresh(at_most=at_most)
    fresh.looked(fresh.changes, None, None)
    fresh.looked(fresh.changes, None, None)
    assert not fresh.behind
    return fresh


def taken(fresh: Fresh, now_s: float = 0.0) -> list[int]:
    return [row.id for row in fresh.take(now_s)]


def test_commits_leave_in_their_order() -> None:
    fresh = trusting()
    fresh.add(rows(1, 2), claimed_s=0.0)
    fresh.add(rows(3), claimed_s=0.0)
    assert taken(fresh) == [1, 2, 3]


def test_what_was_taken_is_not_taken_again() -> None:
    fresh = trusting()
    fresh.add(rows(1), claimed_s=0.0)
    fresh.take(0.0)
    assert taken(fresh) == []


def test_nothing_leaves_from_memory_before_anybody_has_looked_at_the_table() -> None:
    fresh = Fresh()
    fresh.add(rows(1), claimed_s=0.0)
    assert taken(fresh) == []


def test_what_was_there_at_the_first_look_is_the_tables_to_give() -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    assert fresh.horizon == 7


def test_what_comes_after_the_horizon_waits_until_nothing_is_left_up_to_it() -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    fresh.add(rows(8), claimed_s=0.0)
    before = taken(fresh)
    fresh.looked(fresh.changes, 8, 8)
    assert (before, taken(fresh)) == ([], [8])


def test_what_somebody_else_holds_keeps_no_other_alert_waiting() -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    fresh.add(rows(8), claimed_s=0.0)
    fresh.looked(fresh.changes, 3, 8)  # 3 cannot be claimed: 8 is the table's to give now, alert by alert
    fresh.looked(fresh.changes, 3, 8)
    assert (fresh.behind, fresh.horizon) == (True, 8)


def test_a_commit_that_was_in_flight_at_the_look_is_the_tables_to_give() -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    fresh.add(rows(6, 9), claimed_s=0.0)
    assert (fresh.horizon, taken(fresh)) == (9, [])


@pytest.mark.parametrize("handed", [6, 9])
def test_a_look_that_a_commit_has_outrun_lets_nothing_go_past_it(handed: int) -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    before = fresh.changes
    fresh.add(rows(handed), claimed_s=0.0)
    fresh.looked(before, None, None)
    assert taken(fresh) == ([] if handed == 6 else [9])


def test_a_look_from_before_a_doubt_does_not_dispel_it() -> None:
    fresh = trusting()
    before = fresh.changes
    fresh.doubt()
    fresh.looked(before, None, None)
    assert (fresh.behind, fresh.horizon) == (True, None)


def test_a_doubt_leaves_what_waits_to_the_table() -> None:
    fresh = trusting()
    fresh.add(rows(1), claimed_s=0.0)
    fresh.doubt()
    fresh.looked(fresh.changes, 1, 1)
    fresh.looked(fresh.changes, None, None)
    assert taken(fresh) == []


def test_more_than_may_be_kept_is_left_to_the_table() -> None:
    fresh = trusting(at_most=2)
    fresh.add(rows(1, 2), claimed_s=0.0)
    fresh.add(rows(3), claimed_s=0.0)
    assert (fresh.behind, taken(fresh)) == (True, [])


def test_a_claim_that_ends_before_the_publishing_may_is_not_used() -> None:
    fresh = trusting()
    fresh.add(rows(1), claimed_s=0.0)
    assert (taken(fresh, CLAIM_S - PUBLISH_WITHIN_S + 0.1), fresh.behind) == ([], True)


ALERTS = st.lists(st.sampled_from("ABC"), max_size=10)


def all_taken(alerts: list[str]) -> list[list[Row]]:
    fresh, found = trusting(), []
    for number, alert_id in enumerate(alerts):
        fresh.add([row(number, alert_id)], claimed_s=0.0)
    while rows := fresh.take(0.0):
        found.append(rows)
    return found


@given(ALERTS)
def test_what_is_taken_in_the_end_is_all(alerts: list[str]) -> None:
    assert sorted(one.id for rows in all_taken(alerts) for one in rows) == list(range(len(alerts)))


@given(ALERTS)
def test_of_an_alert_one_is_taken_at_a_time(alerts: list[str]) -> None:
    for rows in all_taken(alerts):
        assert len({one.alert_id for one in rows}) == len(rows)


@given(ALERTS)
def test_each_alert_leaves_in_its_order(alerts: list[str]) -> None:
    left = [one for rows in all_taken(alerts) for one in rows]
    for alert_id in "ABC":
        ids = [one.id for one in left if one.alert_id == alert_id]
        assert ids == sorted(ids)


def test_a_doubt_is_news() -> None:
    fresh = trusting()
    fresh.doubt()
    assert fresh.news.is_set()


def test_what_somebody_else_holds_is_no_news() -> None:
    fresh = Fresh()
    fresh.looked(fresh.changes, 3, 7)
    fresh.looked(fresh.changes, 3, 7)
    assert (fresh.horizon, fresh.news.is_set()) == (None, False)
