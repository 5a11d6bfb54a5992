from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loadgen.domain.histogram import (
    HIGHEST_NS,
    Delta,
    Histogram,
    index_of,
    lowest_of,
    merged,
    packed,
    unpacked,
)

nanoseconds = st.integers(0, HIGHEST_NS) | st.integers(1_000, 60_000_000_000)
values = st.lists(nanoseconds, min_size=1, max_size=300)


def of(*lists: list[int]) -> Histogram:
    histogram = Histogram()
    for one in lists:
        histogram.record(one)
    return histogram


@settings(deadline=None)
@given(nanoseconds)
def test_a_value_lies_in_its_bucket_which_is_a_thousandth_wide(value: int) -> None:
    index = int(index_of(np.array([value]))[0])
    low, following = lowest_of(index), lowest_of(index + 1)
    assert low <= value < following
    assert following - low == 1 or (following - low) / value <= 1 / 1024


@settings(deadline=None)
@given(values, st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]))
def test_a_quantile_is_within_a_thousandth_of_the_sorted_values(found: list[int], q: float) -> None:
    exact = sorted(found)[max(1, math.ceil(q * len(found) - 1e-9)) - 1]
    said = of(found).quantile_ns(q)
    assert said is not None
    assert abs(said - exact) <= max(exact / 1000, 0.5)


@settings(deadline=None)
@given(values, values)
def test_merged_histograms_are_those_of_all_values(some: list[int], others: list[int]) -> None:
    together = Histogram()
    together.add(merged([of(some).delta(), of(others).delta()]))
    whole = of(some, others)
    assert together.delta().to_json() == whole.delta().to_json()


@settings(deadline=None)
@given(values)
def test_a_delta_survives_json(found: list[int]) -> None:
    delta = of(found).delta()
    assert Delta.from_json(delta.to_json()).to_json() == delta.to_json()
    assert unpacked(json.loads(json.dumps(packed(delta)))).to_json() == delta.to_json()


@settings(deadline=None)
@given(values, values)
def test_what_was_taken_is_not_counted_again(some: list[int], others: list[int]) -> None:
    histogram = of(some)
    first = histogram.take()
    histogram.record(others)
    assert (first.count, histogram.take().count) == (len(some), len(others))


def test_mean_and_extremes_are_exact() -> None:
    histogram = of([1_000_001, 3_000_003])
    assert (histogram.mean_ns(), histogram.min_ns, histogram.max_ns) == (2_000_002, 1_000_001, 3_000_003)


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile_ns(0.5) is None
