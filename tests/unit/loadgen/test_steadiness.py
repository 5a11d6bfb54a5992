from __future__ import annotations

import random
from collections import Counter

import pytest

from services.loadgen.domain.histogram import NOTHING, Histogram
from services.loadgen.domain.little import Little
from services.loadgen.domain.slo import Sliding, parse
from services.loadgen.domain.steadiness import steadiness, warmup_windows
from services.loadgen.domain.totals import Totals
from services.loadgen.domain.window import Window

MS = 1_000_000


def noisy(values_s: list[float], seed: int = 1) -> list[float]:
    dice = random.Random(seed)
    return [value * dice.lognormvariate(0, 0.03) for value in values_s]


@pytest.mark.parametrize("slow_s", [3, 5, 10])
def test_a_slow_start_is_cut_off_where_it_ends(slow_s: int) -> None:
    found = warmup_windows(noisy([0.050] * slow_s + [0.010] * (40 - slow_s)), [100.0] * 40)
    assert slow_s <= found <= slow_s + 10


def test_throughput_that_comes_up_later_than_latency_counts_too() -> None:
    assert warmup_windows([0.010] * 40, [20.0] * 6 + [100.0] * 34) == 6


def test_of_a_run_that_was_steady_nothing_is_cut() -> None:
    assert warmup_windows([0.010] * 60, [100.0, 100.5] * 30) == 0
    assert warmup_windows([0.050, 0.010, 0.010], [1.0] * 3) == 0


def test_what_stays_as_it_is_is_steady() -> None:
    verdicts = [steadiness(noisy([0.010] * 60, seed)).steady for seed in range(50)]
    assert verdicts.count(True) >= 48


def test_a_leak_is_a_trend_and_has_a_slope() -> None:
    found = steadiness(noisy([0.010 * (1 + second / 120) for second in range(120)]))
    assert found.steady is False
    assert found.p50_change == pytest.approx(1.0, abs=0.15)
    assert found.p50_s_per_hour == pytest.approx(0.3, rel=0.2)


def test_a_step_is_not_steady_and_a_hiccup_is() -> None:
    assert steadiness(noisy([0.010] * 30 + [0.012] * 30)).steady is False
    assert steadiness(noisy([0.010] * 30 + [0.050] + [0.010] * 29)).steady is True


def test_too_little_is_not_judged() -> None:
    assert steadiness([0.01] * 9).steady is None


def second(index: int, ms: float, *, number: int = 100, busy_s: float | None = None) -> Window:
    histogram = Histogram()
    histogram.record([int(ms * MS)] * number)
    delta = histogram.take()
    return Window(
        index,
        index,
        index + 1,
        Counter(sent=number, ok=number),
        histograms={"response": delta, "service": delta},
        busy_s=number * ms / 1e3 if busy_s is None else busy_s,
    )


def test_the_warm_up_is_found_at_the_end_and_stays_in_the_books() -> None:
    totals, sliding = Totals(None), Sliding(parse("p50<20ms over 3s"))
    for index in range(40):
        window = second(index, 90 if index < 4 else 10)
        totals.add(window)
        sliding.add(window)
    totals.settle()
    assert (totals.warmup_s, totals.judged_from_s) == (4, 4)
    assert [row.index for row in totals.rows if row.warmup] == [0, 1, 2, 3]
    assert (totals.counts["ok"], totals.judged["ok"]) == (4000, 3600)
    assert totals.histograms["response"].max_ns < 11 * MS
    assert sum(block.count for block in totals.blocks("response")) == 3600
    assert sliding.judged().passed is False
    assert sliding.judged(totals.judged_from_s).passed is True
    assert totals.steadiness().steady is True


def test_a_warm_up_that_was_given_is_not_looked_for() -> None:
    totals = Totals(2.0)
    for index in range(40):
        totals.add(second(index, 90 if index < 4 else 10))
    totals.settle()
    assert totals.warmup_s == 2.0
    assert totals.judged["ok"] == 3800


def littles_law(windows: list[Window]) -> bool | None:
    little = Little()
    for window in windows:
        little.add(window)
    return little.check(NOTHING).holds


def test_littles_law_holds_within_the_error_of_looking() -> None:
    dice = random.Random(1)
    assert littles_law([second(i, 10) for i in range(10)]) is True
    assert littles_law([second(i, 10, busy_s=dice.gauss(1, 0.3)) for i in range(30)]) is True


def test_times_that_leave_out_a_tenth_of_what_was_in_flight_break_littles_law() -> None:
    dice = random.Random(1)
    assert littles_law([second(i, 10, busy_s=1.1 * dice.gauss(1, 0.01)) for i in range(30)]) is False


def test_littles_law_is_not_asked_of_a_handful() -> None:
    assert littles_law([second(0, 10, busy_s=9), second(1, 10, busy_s=9)]) is None
    assert littles_law([second(i, 10, number=5, busy_s=9) for i in range(9)]) is None
