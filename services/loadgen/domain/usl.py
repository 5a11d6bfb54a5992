"""The Universal Scalability Law: throughput over users, with contention and coherency (N. Gunther)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

LEAST_LEVELS = 6
RESAMPLES = 200
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Fit:
    """X(N) = γN / (1 + α(N−1) + βN(N−1)). `knee_users`: where X peaks; None beyond what was tested.

    `intervals` hold a parameter with 95 %, as far as the seconds of each level tell.
    """

    gamma: float
    alpha: float
    beta: float
    knee_users: float | None
    residual: float
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def throughput(self, users: float) -> float:
        slowdown = 1 + self.alpha * (users - 1) + self.beta * users * (users - 1)
        return self.gamma * users / slowdown


def fit(users: Sequence[float], throughput: Sequence[float]) -> Fit | None:
    """Return the least-squares fit of the linearised law, weighted to relative errors.

    None where fewer than six levels are given, or the numbers fit no such law. A knee is named
    only where the levels reach past it. `residual` is the root mean square of the relative errors.
    """
    pairs = [(n, x) for n, x in zip(users, throughput, strict=True) if n > 0 and x > 0]
    if len(pairs) < LEAST_LEVELS:
        return None
    n, x = np.array(pairs, np.float64).T
    columns = np.column_stack([np.ones_like(n), n - 1, n * (n - 1)])
    weights = x / n  # errors of n/x relative to n/x itself
    found = np.linalg.lstsq(columns * weights[:, None], (n / x) * weights, rcond=None)[0]
    if found[0] <= 0:
        return None
    gamma, alpha, beta = 1 / found[0], found[1] / found[0], found[2] / found[0]
    knee = math.sqrt((1 - alpha) / beta) if beta > 0 and alpha < 1 else math.inf
    made = Fit(float(gamma), float(alpha), float(beta), None, 0.0)
    errors = [made.throughput(level) / seen - 1 for level, seen in pairs]
    residual = math.sqrt(sum(error * error for error in errors) / len(errors))
    within = 1 <= knee <= max(n)
    return Fit(made.gamma, made.alpha, made.beta, float(knee) if within else None, residual)


def fit_with_doubt(
    users: Sequence[float], seconds: Sequence[Sequence[float]], *, seed: int = 1
) -> Fit | None:
    """Fit the means of each level's seconds; how far to trust it, other draws of those seconds tell.

    There are no intervals where a level has one second, and none of a knee that some draws do not have.
    """
    found = fit(users, [sum(level) / len(level) for level in seconds])
    if found is None or min(map(len, seconds)) < 2:
        return found
    dice = np.random.default_rng(seed)
    fits: list[Fit] = []
    for _ in range(RESAMPLES):
        drawn = fit(users, [float(dice.choice(level, len(level)).mean()) for level in seconds])
        fits += [drawn] if drawn is not None else []
    intervals = {}
    for name in ("gamma", "alpha", "beta", "knee_users"):
        values = [value for one in fits if (value := getattr(one, name)) is not None]
        if (found.knee_users is None and name == "knee_users") or len(values) < RESAMPLES:
            continue
        low, high = np.quantile(values, [TAIL, 1 - TAIL])
        intervals[name] = (float(low), float(high))
    return replace(found, intervals=intervals)
