from __future__ import annotations

import functools
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loadgen.domain.plan import Stage
from services.loadgen.domain.schedule import constant, poisson

NS = 1_000_000_000
stages = st.lists(
    st.builds(
        Stage,
        st.floats(0.1, 20).map(lambda s: round(s, 3)),
        st.integers(0, 300).map(float),
        st.integers(0, 300).map(float),
    ),
    min_size=1,
    max_size=4,
)


def test_fifty_a_second_for_thirty_seconds_are_1500_evenly_spaced() -> None:
    arrivals = list(constant([Stage(30, 50, 50)]))
    assert len(arrivals) == 1500
    assert {after - before for before, after in itertools.pairwise(arrivals)} == {20_000_000}


@settings(deadline=None)
@given(stages)
def test_as_many_arrive_as_the_area_under_the_rate_says(given_stages: list[Stage]) -> None:
    area = sum(stage.duration_s * (stage.from_rps + stage.to_rps) / 2 for stage in given_stages)
    arrivals = list(constant(given_stages))
    assert abs(len(arrivals) - area) <= 1
    assert arrivals == sorted(arrivals)
    assert all(
        0 <= arrival <= sum(stage.duration_s for stage in given_stages) * NS + 1 for arrival in arrivals
    )


@settings(deadline=None)
@given(stages, st.integers(1, 5))
def test_the_shares_together_are_the_whole(given_stages: list[Stage], shares: int) -> None:
    parts = [list(constant(given_stages, share=share, shares=shares)) for share in range(shares)]
    assert sorted(at for part in parts for at in part) == list(constant(given_stages))


def test_a_ramp_reaches_half_of_its_arrivals_at_seven_tenths_of_its_time() -> None:
    arrivals = list(constant([Stage(10, 0, 200)]))
    assert arrivals[500] / NS == pytest.approx(10 * 0.5**0.5, rel=1e-6)


def test_poisson_shares_add_up_to_the_rate() -> None:
    parts = [
        list(poisson([Stage(100, 50, 50)], functools.partial(random.Random(seed).expovariate, 1), shares=2))
        for seed in (1, 2)
    ]
    number = sum(len(part) for part in parts)
    assert abs(number - 5000) < 4 * 5000**0.5
    assert abs(len(parts[0]) - 2500) < 4 * 2500**0.5


def test_the_same_dice_give_the_same_arrivals() -> None:
    def drawn() -> list[int]:
        dice = random.Random(7)
        return list(poisson([Stage(5, 20, 20)], lambda: dice.expovariate(1)))

    assert drawn() == drawn()
