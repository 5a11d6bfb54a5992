from __future__ import annotations

import random

import pytest

from services.loadgen.domain.histogram import Delta, Histogram, merged
from services.loadgen.domain.intervals import MOST_BLOCKS, Blocks, by_blocks, by_rank
from services.loadgen.domain.times import times_of

MS = 1_000_000


def delta(values_ms: list[float]) -> Delta:
    histogram = Histogram()
    histogram.record([int(value * MS) for value in values_ms])
    return histogram.take()


def seconds(number: int, each: int, seed: int, *, mood: float) -> list[Delta]:
    """Return seconds of requests around 10 ms; `mood` is how far a second sways, half of it from the last."""
    dice = random.Random(seed)
    found, sway = [], dice.gauss(0, mood)
    for _ in range(number):
        sway = 0.5 * sway + dice.gauss(0, mood * 0.75**0.5)
        found.append(delta([10 * dice.lognormvariate(sway, 0.3) for _ in range(each)]))
    return found


def covered(runs: int, *, mood: float) -> int:
    """Return how many of so many runs' intervals hold the true median."""
    hits = 0
    for seed in range(runs):
        blocks = seconds(60, 50, seed, mood=mood)
        whole = Histogram()
        whole.add(merged(blocks))
        low, high = times_of(whole, blocks=blocks).intervals["p50"]
        hits += low <= 0.010 <= high
    return hits


def test_the_interval_holds_the_truth_where_requests_are_independent() -> None:
    assert covered(40, mood=0.0) >= 37


def test_the_interval_holds_the_truth_where_seconds_sway_together() -> None:
    assert covered(40, mood=0.2) >= 34


def test_ranks_alone_would_be_far_too_sure_of_it() -> None:
    hits = 0
    for seed in range(40):
        whole = Histogram()
        whole.add(merged(seconds(60, 50, seed, mood=0.2)))
        found = by_rank(whole, 0.5)
        assert found is not None
        hits += found[0] <= 0.010 <= found[1]
    assert hits < 24


def test_a_long_run_is_kept_in_a_few_blocks_and_loses_nothing() -> None:
    blocks = Blocks()
    for number in range(1024):
        blocks.add(delta([number + 1]))
    kept = blocks.after(0)
    assert len(kept) <= MOST_BLOCKS
    assert merged(kept).count == 1024
    assert merged(blocks.after(512)).min_ns >= 512 * MS


def test_fewer_than_eight_blocks_say_nothing() -> None:
    assert by_blocks([delta([1.0])] * 7, [0.5]) is None


def test_what_is_thin_has_no_interval_and_what_is_still_out_widens_it() -> None:
    histogram = Histogram()
    histogram.record([MS] * 400)
    assert set(times_of(histogram, blocks=[]).intervals) == {"p50", "p90", "p95", "p99"}
    assert set(times_of(histogram, out=30, blocks=[]).intervals) == {"p50"}


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_ranks_hold_a_quantile_of_independent_values_nineteen_times_in_twenty(q: float) -> None:
    dice = random.Random(7)
    hits = 0
    for _ in range(200):
        histogram = Histogram()
        histogram.record([int(dice.random() * 1e9) for _ in range(500)])
        found = by_rank(histogram, q)
        assert found is not None
        hits += found[0] <= q <= found[1] + 0.001
    assert hits >= 184
