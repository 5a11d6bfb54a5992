"""How rule tests write series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Invalid
from services.alerting.domain.notation import durations, values


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("0.9", [0.9]),
        ("0.5x2 0.9x3", [0.5, 0.5, 0.9, 0.9, 0.9]),
        ("0+5x4", [0, 5, 10, 15]),
        ("0.3-0.1x3", [0.3, 0.2, 0.1]),
        ("0+5x2 +50x2 7", [0, 5, 55, 105, 7]),
        ("-1x2 _ _x2 4", [-1, -1, None, None, None, 4]),
        ("1+1x2 _ +1", [1, 2, None, 3]),
        ("1e-3 2e3", [0.001, 2000]),
        ("1\n  2", [1, 2]),
    ],
)
def test_values(written: str, means: list[float | None]) -> None:
    assert values(written) == means


def test_a_step_of_a_histogram_is_a_list_of_durations() -> None:
    found = durations("0.1,3x2 200ms*95,3s*5 . _")
    assert [None if one is None else (one.count, one.min, one.max) for one in found] == [
        (2, 0.1, 3.0),
        (2, 0.1, 3.0),
        (100, 0.2, 3.0),
        (0, None, None),
        None,
    ]


@pytest.mark.parametrize("written", ["", "x3", "0.9x0", "0.9x", "+5x3", "0,9", "ten", "1e999", "1x100001"])
def test_what_is_no_value_is_named(written: str) -> None:
    with pytest.raises(Invalid) as caught:
        values(written)
    assert not written or repr(written) in str(caught.value)


@pytest.mark.parametrize("written", ["", "-0.1", "0.1,", "0.1;0.2", "5m", "0.1x0", "1e999", "0.1*9x"])
def test_what_is_no_duration_is_named(written: str) -> None:
    with pytest.raises(Invalid):
        durations(written)


@given(st.lists(st.tuples(st.none() | st.integers(-1000, 1000), st.integers(1, 5)), min_size=1))
def test_runs_are_written_as_value_times_count(runs: list[tuple[int | None, int]]) -> None:
    written = " ".join(f"{'_' if value is None else value}x{times}" for value, times in runs)
    assert values(written) == [value for value, times in runs for _ in range(times)]
