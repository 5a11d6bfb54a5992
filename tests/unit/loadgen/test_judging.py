from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from atalaia.errors import Invalid
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.slo import Sliding, Stretch, judge, parse
from services.loadgen.domain.times import needed, times_of
from services.loadgen.domain.usl import fit, fit_with_doubt
from services.loadgen.domain.verdict import Health
from services.loadgen.domain.verdict import judge as verdict
from services.loadgen.domain.window import Window

HEALTHY = Health(
    open_model=True, balanced=True, lag_p99_s=0.0005, loop_p99_s=0.0005, response_p50_s=0.005, offered=1000
)


def measurement(**changes: object) -> str:
    return verdict(dataclasses.replace(HEALTHY, **changes)).measurement  # type: ignore[arg-type]


def test_a_run_without_a_reason_against_it_is_valid() -> None:
    assert measurement() == "valid"


@pytest.mark.parametrize(
    ("lag_s", "p50_s", "found"),
    [
        (0.0019, 0.001, "valid"),
        (0.0021, 0.001, "suspect"),
        (0.0021, 0.030, "valid"),
        (0.0031, 0.030, "suspect"),
        (0.0199, 0.001, "suspect"),
        (0.0201, 0.001, "invalid"),
        (0.0201, 0.100, "suspect"),
        (0.0501, 0.100, "invalid"),
    ],
)
def test_how_late_is_too_late_depends_on_what_is_measured(lag_s: float, p50_s: float, found: str) -> None:
    assert measurement(lag_p99_s=lag_s, response_p50_s=p50_s) == found


def test_a_busy_generator_ruins_an_open_run_and_bounds_a_closed_one() -> None:
    assert measurement(cpu_shares=[0.95] * 2 + [0.2]) == "valid"
    assert measurement(cpu_shares=[0.95] * 3) == "invalid"
    assert measurement(cpu_shares=[0.95] * 3, open_model=False) == "suspect"


def test_a_rate_that_was_held_up_here_is_invalid_and_one_held_up_there_is_not() -> None:
    assert measurement(delivered=0.5, response_p50_s=5.0) == "valid"
    assert measurement(delivered=0.5, response_p50_s=5.0, lag_p99_s=0.3) == "invalid"
    assert measurement(delivered=0.5, response_p50_s=5.0, cpu_wait_shares=[0.7]) == "invalid"


def test_an_open_run_that_is_late_and_mostly_without_a_cpu_is_invalid() -> None:
    assert measurement(lag_p99_s=0.010, cpu_wait_shares=[0.6]) == "invalid"
    assert measurement(lag_p99_s=0.010, cpu_wait_shares=[0.4]) == "suspect"
    assert measurement(cpu_wait_shares=[0.6]) == "suspect"
    assert measurement(loop_p99_s=0.010, lag_p99_s=None, cpu_wait_shares=[0.6], open_model=False) == "suspect"


def test_other_reasons() -> None:
    assert measurement(balanced=False) == "invalid"
    assert measurement(own_faults={"no_descriptors": 1}) == "invalid"
    assert measurement(lost=["worker 1: gone"]) == "invalid"
    assert measurement(rate_per_worker=71, ceiling_per_worker=100) == "suspect"
    assert measurement(rate_per_worker=69, ceiling_per_worker=100) == "valid"
    assert measurement(unsent=11) == "suspect"
    assert measurement(cpu_wait_shares=[0.4, 0.4]) == "suspect"


def stretch(ms: list[int], **counts: int) -> Stretch:
    histogram = Histogram()
    histogram.record([value * 1_000_000 for value in ms])
    return Stretch(Counter(ok=len(ms), sent=len(ms)) + Counter(counts), histogram, 10.0)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("p99<397ms", True),
        ("p50 <= 100us", False),
        ("avg<1s", True),
        ("max<99ms", False),
        ("error_rate<1%", False),
        ("success_rate>95%", True),
        ("rate>=40", True),
        ("throughput>41", False),
    ],
)
def test_slos(text: str, passed: bool) -> None:
    given = stretch(list(range(1, 401)), http_errors=10, connection_errors=6, shed=4)
    assert judge(parse(text), given).passed is passed


@pytest.mark.parametrize(
    "text", ["p99", "p99<250", "p99<1%", "error_rate<5ms", "rate>5s", "p0<1s", "p101<1s", "x"]
)
def test_what_is_no_slo_is_said_to_be_none(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_a_percentile_of_too_few_is_told_and_not_gated_on() -> None:
    assert [needed(q) for q in (0.95, 0.99, 0.999)] == [72, 368, 3688]
    judged = judge(parse("p99<1ms"), stretch([5] * 367))
    assert judged.value == pytest.approx(0.005, rel=1e-3)
    assert judged.passed is None
    assert judge(parse("p99<1ms"), stretch([5] * 368)).passed is False


def test_what_is_still_out_counts_as_slower_than_its_rank_can_say() -> None:
    histogram = Histogram()
    histogram.record([1_000_000] * 98)
    times = times_of(histogram, out=2, oldest_out_ns=3_000_000_000)
    assert times.at_least == ("p99", "p999")
    assert times.percentiles["p99"] == 3.0


def second(index: int, ms: int) -> Window:
    histogram = Histogram()
    histogram.record([ms * 1_000_000] * 100)
    return Window(
        index, index, index + 1, Counter(sent=100, ok=100), histograms={"response": histogram.take()}
    )


def test_a_sliding_slo_is_judged_by_its_worst_stretch() -> None:
    sliding = Sliding(parse("p95<100ms over 3s"))
    for index, ms in enumerate([10, 10, 10, 200, 200, 200, 10, 10, 10]):
        sliding.add(second(index, ms))
    assert sliding.judged().passed is False
    brief = Sliding(parse("p50<100ms over 3s"))
    for index, ms in enumerate([10, 10, 200, 10, 10]):
        brief.add(second(index, ms))
    assert brief.judged().passed is True


def test_the_scalability_law_is_found_again() -> None:
    def law(n: float) -> float:
        return 1000 * n / (1 + 0.03 * (n - 1) + 0.0004 * n * (n - 1))

    found = fit([1, 2, 4, 8, 16, 32, 64, 100], [law(n) for n in (1, 2, 4, 8, 16, 32, 64, 100)])
    assert found is not None
    assert (found.alpha, found.beta, found.gamma) == pytest.approx((0.03, 0.0004, 1000), rel=1e-6)
    assert found.knee_users == pytest.approx((0.97 / 0.0004) ** 0.5, rel=1e-6)


def test_the_laws_parameters_have_intervals_where_each_level_has_seconds() -> None:
    dice = random.Random(1)
    levels = [1, 2, 4, 8, 16, 32, 64, 100]

    def law(n: float) -> float:
        return 1000 * n / (1 + 0.03 * (n - 1) + 0.0004 * n * (n - 1))

    found = fit_with_doubt(levels, [[law(n) * dice.gauss(1, 0.02) for _ in range(8)] for n in levels])
    assert found is not None
    for name, value in (("alpha", 0.03), ("beta", 0.0004), ("knee_users", (0.97 / 0.0004) ** 0.5)):
        low, high = found.intervals[name]
        assert low * 0.9 < value < high * 1.1
    alone = fit_with_doubt(levels, [[law(n)] for n in levels])
    assert alone is not None
    assert alone.intervals == {}


def test_no_knee_is_named_that_was_not_reached_and_no_law_for_five_levels() -> None:
    straight = fit([1, 2, 4, 8, 16, 32], [10.0, 20.0, 40.0, 80.0, 160.0, 320.0])
    assert straight is not None
    assert straight.knee_users is None
    assert fit([1, 2, 4, 8, 16], [1.0, 2.0, 3.0, 4.0, 5.0]) is None
