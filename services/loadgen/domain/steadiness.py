"""Where a run has settled, and whether it stayed so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_WINDOWS = 10
BATCH = 5
LEAST_BATCHES = 10
MOST_POINTS = 60
NO_DIFFERENCE = 0.02
MATTERS = 0.05
ABOUT, TINY = 1.25, 1e-12
Z_99 = 2.576
SIGMAS = 3.0
SECONDS_AN_HOUR = 3600.0
Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What came after the warm-up. `steady` is None where too little came to tell.

    `p50_change` is relative, from the stretch's begin to its end, by the slope of Theil and Sen.
    """

    steady: bool | None
    p50_change: float | None = None
    p50_s_per_hour: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def warmup_windows(p50s_s: Sequence[float], rates: Sequence[float]) -> int:
    """Return how many windows belong to the warm-up, by latency or by throughput, whichever took longer.

    MSER (White 1997), in batches of five where there are enough. At most half of the run, none of
    one with fewer than ten windows.
    """
    if len(p50s_s) < LEAST_WINDOWS:
        return 0
    latency = np.log(np.asarray(p50s_s, np.float64))
    throughput = np.log(np.maximum(np.asarray(rates, np.float64), 1e-9))
    return max(_mser(latency), _mser(throughput))


def steadiness(p50s_s: Sequence[float], seconds_each: float = 1.0) -> Steadiness:
    """Judge what is left: a trend (Mann–Kendall), or a last third unlike the first, and by 5 % at least."""
    if len(p50s_s) < LEAST_WINDOWS:
        return Steadiness(None, reason=f"needs {LEAST_WINDOWS} s to tell, had {len(p50s_s)}")
    size = math.ceil(len(p50s_s) / MOST_POINTS)
    points = _batched(np.log(np.asarray(p50s_s, np.float64)), size)
    slope = _theil_sen(points)
    change = math.expm1(slope * (points.size - 1))
    middle_s = math.exp(float(np.median(points)))
    per_hour = middle_s * slope / (size * seconds_each) * SECONDS_AN_HOUR
    reason = ""
    if abs(change) > MATTERS and abs(_mann_kendall(points)) > Z_99:
        reason = f"p50 changed by {change:+.0%} from begin to end"
    elif apart := _thirds_apart(points):
        reason = f"p50 of the last third is {apart:+.0%} off the first"
    return Steadiness(not reason, change, per_hour, reason)


def _mser(values: Series) -> int:
    """Return the first cut that leaves the rest's squared standard error about as small as it gets."""
    size = BATCH if values.size >= BATCH * LEAST_BATCHES else 1
    batches = _batched(values, size)
    if float(np.ptp(batches)) < NO_DIFFERENCE:
        return 0
    errors = [float(np.var(batches[cut:]) / (batches.size - cut)) for cut in range(batches.size // 2 + 1)]
    enough = ABOUT * min(errors) + TINY
    return next(cut for cut, error in enumerate(errors) if error <= enough) * size


def _batched(values: Series, size: int) -> Series:
    """Return means of `size` each; what is left over at the end is left out."""
    whole = values.size // size
    means: Series = values[: whole * size].reshape(whole, size).mean(axis=1)
    return means


def _theil_sen(points: Series) -> float:
    first, second = np.triu_indices(points.size, 1)
    return float(np.median((points[second] - points[first]) / (second - first)))


def _mann_kendall(points: Series) -> float:
    """Return the standardised sum of the signs of all differences."""
    n = points.size
    first, second = np.triu_indices(n, 1)
    total = float(np.sign(points[second] - points[first]).sum())
    return (total - math.copysign(1.0, total)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) if total else 0.0


def _thirds_apart(points: Series) -> float:
    """Return how far apart the thirds are, relatively; 0 where that is within noise, or matters to nobody."""
    third = points.size // 3
    first, last = points[:third], points[-third:]
    error = math.sqrt((float(np.var(first, ddof=1)) + float(np.var(last, ddof=1))) / third)
    apart = float(last.mean() - first.mean())
    return math.expm1(apart) if abs(apart) > max(math.log1p(MATTERS), SIGMAS * error) else 0.0
