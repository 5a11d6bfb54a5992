import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.metrics import HistogramDelta
from atalaia.stats import Histogram
from atalaia.stats.histogram import bucket_of, upper_bound_of

values = st.lists(st.floats(1e-6, 60.0), min_size=1, max_size=300)


def recorded(some: list[float]) -> Histogram:
    histogram = Histogram()
    for value in some:
        histogram.record(value)
    return histogram


def beyond(value: float, index: int, scale: int) -> bool:
    """Say whether value > b^(index + 1), in exact arithmetic: both sides to the power of 2^scale."""
    return Fraction(value) ** (1 << scale) > Fraction(2) ** (index + 1)


@given(values, st.floats(0.0, 1.0))
def test_a_quantile_is_off_by_2_2_percent_at_most(some: list[float], q: float) -> None:
    exact = sorted(some)[max(1, math.ceil(q * len(some))) - 1]
    assert recorded(some).quantile(q) == pytest.approx(exact, rel=0.022)


@given(values, values)
def test_merging_is_recording_both(one: list[float], other: list[float]) -> None:
    merged = recorded(one)
    merged.merge(recorded(other))
    both = recorded(one + other)
    assert (merged.buckets, merged.count, merged.min, merged.max) == (
        both.buckets,
        both.count,
        both.min,
        both.max,
    )


@given(values)
def test_what_travels_is_what_was_recorded(some: list[float]) -> None:
    histogram = recorded(some)
    read = Histogram.from_dense(
        HistogramDelta.model_validate_json(HistogramDelta.of(histogram).model_dump_json())
    )
    assert read == histogram


@given(st.floats(1e-9, 1e9), st.integers(4, 8))
def test_a_bucket_excludes_its_lower_bound_and_includes_its_upper(value: float, scale: int) -> None:
    index = bucket_of(value, scale)
    assert beyond(value, index - 1, scale)
    assert not beyond(value, index, scale)


@given(st.integers(-500, 500), st.integers(4, 8))
def test_the_buckets_are_exact_at_their_bounds(index: int, scale: int) -> None:
    bound = upper_bound_of(index, scale)
    assert bucket_of(bound, scale) == index
    assert bucket_of(math.nextafter(bound, math.inf), scale) == index + 1
    assert not beyond(bound, index, scale)
    assert beyond(math.nextafter(bound, math.inf), index, scale)


@given(st.floats(5e-324, 1e308), st.integers(4, 20))
def test_what_is_recorded_lands_in_its_bucket(value: float, scale: int) -> None:
    histogram = Histogram(scale=scale)
    histogram.record(value)
    assert histogram.buckets == {bucket_of(value, scale): 1}


@given(values, values)
def test_what_is_taken_and_what_comes_after_are_all_there_was(one: list[float], other: list[float]) -> None:
    histogram = recorded(one)
    taken = histogram.take()
    assert taken == recorded(one)
    for value in other:
        histogram.record(value)
    assert histogram == recorded(other)


def test_a_finer_histogram_merges_into_a_coarser_one() -> None:
    fine, coarse = Histogram(scale=6), Histogram(scale=4)
    fine.record(0.1)
    coarse.record(0.1)
    fine.merge(coarse)
    assert (fine.scale, fine.buckets) == (4, {bucket_of(0.1, 4): 2})


def test_nothing_recorded_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None


def test_zeros_are_counted_apart() -> None:
    assert recorded([0.0, 0.0, 1.0]).quantile(0.5) == 0.0


def test_a_quantile_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Histogram().quantile(95)
