"""Earlier runs against new ones: how much slower, how sure, and what these runs could have shown at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.loadgen.domain.student import t_quantile

Verdict = Literal["no regression", "regression", "inconclusive"]
METRICS = ("p50", "p95", "p99")
LEAST_RUNS = 3
LEAST_TO_PREDICT = 5
CONFIDENCE = 0.95
POWER = 0.80
Z_CONFIDENCE, Z_POWER = 1.960, 0.842
MOST_NEEDED = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of one run, in seconds; `noise`: the spread of its logarithm within that run, if known."""

    value_s: float
    noise: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ratios are new ÷ old. `low`..`high` holds the ratio with 95 %; None where too few runs tell.

    `detectable` is the smallest relative slowing that so many runs of this spread would show in
    four of five tries; `needed` is how many runs a side would show one of the threshold. `within` is how
    far the ratio may be off by what one sees inside the runs; runs differ by more among each other.
    """

    metric: str
    old: int
    new: int
    ratio: float
    low: float | None
    high: float | None
    detectable: float | None
    needed: int | None
    verdict: Verdict
    within: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def compare(metric: str, old: Sequence[Sample], new: Sequence[Sample], threshold: float) -> Comparison:
    """Compare logarithms of one value a run by Welch's t: requests of one run are no independent samples.

    A regression is a ratio above 1 + `threshold` whose interval excludes 1. There is none where the
    interval lies below 1 + `threshold`. Anything else is inconclusive, and so are fewer than three runs on a
    side, unless one new run can be held against what five or more old ones predict.
    """
    before = [math.log(sample.value_s) for sample in old]
    after = [math.log(sample.value_s) for sample in new]
    difference = _mean(after) - _mean(before)
    spread = _spread(before, after, [*old, *new])
    needed = None if spread is None else _needed(spread, math.log1p(threshold))
    predicted = len(after) == 1 and len(before) >= LEAST_TO_PREDICT
    if min(len(before), len(after)) < LEAST_RUNS and not predicted:
        return Comparison(
            metric,
            len(old),
            len(new),
            math.exp(difference),
            None,
            None,
            None,
            needed,
            "inconclusive",
            _within(old, new),
        )
    error, freedom = _predicted(before) if predicted else _welch(before, after)
    half = t_quantile((1 + CONFIDENCE) / 2, freedom) * error
    reach = half + t_quantile(POWER, freedom) * error
    low, high = difference - half, difference + half
    limit = math.log1p(threshold)
    verdict: Verdict = "inconclusive"
    if difference > limit and low > 0:
        verdict = "regression"
    elif high < limit:
        verdict = "no regression"
    return Comparison(
        metric,
        len(old),
        len(new),
        math.exp(difference),
        math.exp(low),
        math.exp(high),
        math.expm1(reach),
        needed,
        verdict,
    )


def overall(comparisons: Sequence[Comparison]) -> Verdict:
    """Return the worst of several verdicts."""
    verdicts = [comparison.verdict for comparison in comparisons]
    if "regression" in verdicts:
        return "regression"
    return "inconclusive" if "inconclusive" in verdicts or not verdicts else "no regression"


def noise_of(low_s: float, high_s: float) -> float:
    """Return the spread of a value's logarithm that its 95 % interval within one run tells of."""
    return math.log(high_s / low_s) / (2 * Z_CONFIDENCE)


def _spread(before: list[float], after: list[float], samples: list[Sample]) -> float | None:
    """Return the standard deviation between runs; where there are too few, that within them at least."""
    groups = [group for group in (before, after) if len(group) >= 2]
    if groups:
        freedom = sum(len(group) - 1 for group in groups)
        between = math.sqrt(sum(_variance(group) * (len(group) - 1) for group in groups) / freedom)
        if freedom >= 2:
            return between
    within = [sample.noise for sample in samples if sample.noise is not None]
    return max(within) if within else None


def _within(old: Sequence[Sample], new: Sequence[Sample]) -> float | None:
    """Return the relative half width of the ratio's 95 % interval, were runs no different by themselves."""
    variance = 0.0
    for side in (old, new):
        known = [sample.noise for sample in side if sample.noise is not None]
        if len(known) < len(side):
            return None
        variance += sum(noise * noise for noise in known) / len(side) ** 2
    return math.expm1(Z_CONFIDENCE * math.sqrt(variance))


def _needed(spread: float, limit: float) -> int:
    runs = 2 * ((Z_CONFIDENCE + Z_POWER) * spread / limit) ** 2
    return min(max(LEAST_RUNS, math.ceil(runs) + 1), MOST_NEEDED)  # + 1: t has longer tails than z


def _welch(before: list[float], after: list[float]) -> tuple[float, float]:
    """Return the standard error of the difference and its degrees of freedom (Welch–Satterthwaite)."""
    one, other = _variance(before) / len(before), _variance(after) / len(after)
    total = max(one + other, 1e-18)
    below = one**2 / (len(before) - 1) + other**2 / (len(after) - 1)
    return math.sqrt(total), total**2 / below if below else float(len(before) + len(after) - 2)


def _predicted(before: list[float]) -> tuple[float, float]:
    """Return how far one more run of the same kind would stray from the mean of these."""
    return math.sqrt(max(_variance(before), 1e-18) * (1 + 1 / len(before))), float(len(before) - 1)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
