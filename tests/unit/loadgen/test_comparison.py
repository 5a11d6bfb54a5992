from __future__ import annotations

import random

import pytest

from services.loadgen.domain.capacity import Found, Trial, Try, step
from services.loadgen.domain.comparison import Sample, compare, noise_of, overall
from services.loadgen.domain.student import t_quantile


@pytest.mark.parametrize(
    ("p", "freedom", "value"),
    [(0.975, 1, 12.706), (0.975, 4, 2.776), (0.975, 8, 2.306), (0.8, 8, 0.889), (0.975, 1e6, 1.960)],
)
def test_quantiles_of_t_are_those_of_the_tables(p: float, freedom: float, value: float) -> None:
    assert t_quantile(p, freedom) == pytest.approx(value, abs=0.001)


def runs(number: int, centre_s: float, spread: float, seed: int) -> list[Sample]:
    dice = random.Random(seed)
    return [Sample(centre_s * dice.lognormvariate(0, spread)) for _ in range(number)]


def test_runs_of_the_same_thing_are_rarely_called_a_regression() -> None:
    verdicts = [
        compare("p95", runs(5, 0.1, 0.04, seed), runs(5, 0.1, 0.04, 1000 + seed), 0.10).verdict
        for seed in range(100)
    ]
    assert verdicts.count("regression") <= 8


def test_a_fifth_slower_is_found() -> None:
    verdicts = [
        compare("p95", runs(5, 0.1, 0.03, seed), runs(5, 0.12, 0.03, 1000 + seed), 0.10).verdict
        for seed in range(100)
    ]
    assert verdicts.count("regression") >= 90


def test_one_run_against_one_is_inconclusive_and_says_how_many_it_takes() -> None:
    found = compare("p95", [Sample(0.1, noise=0.05)], [Sample(0.11, noise=0.05)], 0.10)
    assert (found.verdict, found.low) == ("inconclusive", None)
    assert found.needed is not None
    assert 4 <= found.needed <= 8


def test_one_run_is_held_against_what_five_predict() -> None:
    old = runs(6, 0.1, 0.02, 3)
    assert compare("p95", old, [Sample(0.1)], 0.10).verdict == "no regression"
    assert compare("p95", old, [Sample(0.15)], 0.10).verdict == "regression"


def test_the_smallest_slowing_that_could_be_seen_shrinks_with_more_runs() -> None:
    few = compare("p95", runs(3, 0.1, 0.05, 1), runs(3, 0.1, 0.05, 2), 0.10)
    many = compare("p95", runs(20, 0.1, 0.05, 1), runs(20, 0.1, 0.05, 2), 0.10)
    assert few.detectable is not None
    assert many.detectable is not None
    assert many.detectable < few.detectable


def test_the_worst_verdict_stands_for_all() -> None:
    same = compare("p50", runs(5, 0.1, 0.001, 1), runs(5, 0.1, 0.001, 2), 0.10)
    slow = compare("p95", runs(5, 0.1, 0.001, 1), runs(5, 0.2, 0.001, 2), 0.10)
    unknown = compare("p99", [Sample(0.1)], [Sample(0.1)], 0.10)
    assert overall([same]) == "no regression"
    assert overall([same, unknown]) == "inconclusive"
    assert overall([unknown, slow, same]) == "regression"
    assert overall([]) == "inconclusive"


def test_two_single_runs_say_how_far_off_they_could_be_by_themselves() -> None:
    noise = noise_of(0.095, 0.105)
    assert noise == pytest.approx(0.0255, abs=0.0001)
    found = compare("p95", [Sample(0.1, noise)], [Sample(0.1, noise)], 0.10)
    assert found.within == pytest.approx(0.073, abs=0.001)
    assert compare("p95", [Sample(0.1, noise)], [Sample(0.1)], 0.10).within is None


def searched(limit_rps: float, *, cap: float = 1e6, flaky: int = -1, weak: float = 1e9) -> tuple[Found, int]:
    """Search a target that holds up to `limit_rps`, but misses by bad luck in trial `flaky`."""
    trials: list[Trial] = []
    while not isinstance(following := step(trials, 10, cap), Found):
        lucky = len(trials) != flaky
        trials.append(Trial(following.rps, following.rps <= limit_rps and lucky, following.rps > weak))
        assert len(trials) < 60
    return following, len(trials)


@pytest.mark.parametrize("limit_rps", [7, 10, 55, 100, 1234, 98_765])
def test_the_limit_is_found_to_a_twentieth(limit_rps: float) -> None:
    found, _ = searched(limit_rps)
    assert found.reason == "slo"
    assert found.capacity_rps is not None
    assert limit_rps / 1.06 <= found.capacity_rps <= limit_rps


@pytest.mark.parametrize("flaky", range(12))
def test_one_piece_of_bad_luck_changes_nothing(flaky: int) -> None:
    found, _ = searched(500, flaky=flaky)
    assert found.capacity_rps is not None
    assert 500 / 1.06 <= found.capacity_rps <= 500


def test_other_ends_of_a_search() -> None:
    assert searched(1e9, cap=300)[0] == Found(300, "cap")
    assert searched(0.1)[0] == Found(None, "nothing_holds")
    assert searched(1e9, weak=2000)[0] == Found(None, "generator_limit")


def test_the_first_rate_is_the_one_that_was_asked_for() -> None:
    assert step([], 25, 1e6) == Try(25)
