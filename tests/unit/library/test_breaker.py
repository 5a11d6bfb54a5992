from __future__ import annotations

import pytest

from atalaia.errors import Refused
from atalaia.resilience.breaker import Breaker, State


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker(failures=2, first_s=1.0, most_s=4.0)
    for _ in range(2):
        breaker.enter(at_s)
        breaker.failed(at_s)
    return breaker


def refused_for_s(breaker: Breaker, now_s: float) -> float:
    with pytest.raises(Refused) as refusal:
        breaker.enter(now_s)
    return refusal.value.retry_in_s


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(failures=2)
    for outcome in (breaker.failed, None, breaker.failed):
        breaker.enter(0.0)
        outcome(0.0) if outcome else breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_failures_in_a_row_open_it() -> None:
    assert opened().state is State.OPEN
    assert refused_for_s(opened(), 0.25) == 0.75


def test_one_probe_at_a_time() -> None:
    breaker = opened()
    assert breaker.enter(1.0)
    assert breaker.state is State.HALF_OPEN
    assert refused_for_s(breaker, 1.0) == 0.0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.succeeded(probe=breaker.enter(1.0))
    assert breaker.state is State.CLOSED


def test_each_probe_that_fails_doubles_the_wait_up_to_a_bound() -> None:
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(4):
        waits.append(refused_for_s(breaker, now_s))
        now_s += waits[-1]
        breaker.failed(now_s, probe=breaker.enter(now_s))
    assert waits == [1.0, 2.0, 4.0, 4.0]


def test_an_abandoned_probe_makes_room_for_another() -> None:
    breaker = opened()
    breaker.abandoned(probe=breaker.enter(1.0))
    assert breaker.enter(1.0)


def test_a_crowd_that_fails_late_does_not_lengthen_the_wait() -> None:
    breaker = Breaker(failures=2, first_s=1.0)
    for _ in range(50):
        breaker.enter(0.0)
    for _ in range(50):
        breaker.failed(0.0)
    assert refused_for_s(breaker, 0.0) == 1.0


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "abandoned"])
def test_a_late_call_does_not_end_the_probe(outcome: str) -> None:
    breaker = opened()
    breaker.enter(1.0)
    breaker.failed(1.0) if outcome == "failed" else getattr(breaker, outcome)()
    assert breaker.state is State.HALF_OPEN


def test_it_can_be_tripped_before_anything_was_counted() -> None:
    breaker = Breaker(failures=5, first_s=1.0)
    breaker.trip(0.0)
    assert refused_for_s(breaker, 0.0) == 1.0
