"""The Universal Scalability Law: throughput over users, with contention and coherency (N. Gunther)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_LEVELS = 6


@dataclass(frozen=True, slots=True)
class Fit:
    """X(N) = γN / (1 + α(N−1) + βN(N−1)). `knee_users`: where X peaks; None beyond what was tested."""

    gamma: float
    alpha: float
    beta: float
    knee_users: float | None
    residual: float

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
