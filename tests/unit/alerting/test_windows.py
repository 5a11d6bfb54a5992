"""Windows against the plainest possible reading of what they mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atalaia.stats import Histogram
from services.alerting.domain.windows import Events, Values

WINDOW_S = 10.0
steps = st.lists(st.tuples(st.integers(-3, 4), st.floats(0.001, 100)), min_size=1, max_size=60)


def course(moves: list[tuple[int, float]]) -> list[tuple[float, float]]:
    at_s, made = 100.0, []
    for step, value in moves:
        at_s += step  # members of a group are a little out of order
        made.append((at_s, value))
    return made


def inside(seen: list[tuple[float, float]]) -> list[float]:
    """Return what counts, in order of time: what was in the window when it came, and still is."""
    newest_s = float("-inf")
    kept: list[tuple[float, float]] = []
    for at_s, value in seen:
        newest_s = max(newest_s, at_s)
        kept = [one for one in [*kept, (at_s, value)] if one[0] > newest_s - WINDOW_S]
    return [value for _, value in sorted(kept, key=lambda one: one[0])]


@given(steps)
def test_values_are_those_of_the_window(moves: list[tuple[int, float]]) -> None:
    window, seen = Values(WINDOW_S), course(moves)
    for at_s, value in seen:
        window.advance(at_s)
        window.add(at_s, value)
    assert list(window.inside()) == inside(seen)


@given(steps, st.sampled_from((0.5, 0.95, 0.99)), st.lists(st.sampled_from((4, 6)), min_size=60, max_size=60))
def test_a_quantile_is_that_of_all_events_in_the_window(
    moves: list[tuple[int, float]], q: float, scales: list[int]
) -> None:
    window, seen = Events(WINDOW_S), course(moves)
    for (at_s, value), scale in zip(seen, scales, strict=False):
        histogram = Histogram(scale=scale)
        histogram.record(value)
        window.advance(at_s)
        window.add(at_s, 1, 0, histogram)
    exact = sorted(inside(seen))
    rank = max(0, -(-len(exact) * int(q * 100) // 100) - 1)
    found = window.quantile(q)
    assert found is not None
    assert abs(found - exact[rank]) <= 0.025 * exact[rank]


def test_a_long_run_keeps_no_more_than_the_window() -> None:
    window = Values(WINDOW_S)
    for second in range(10_000):
        window.advance(float(second))
        window.add(float(second), 1.0)
    assert len(window._timed._items) < 600
