"""Recording into a histogram, and how far its percentiles are off: `python -m benchmarks.histogram`."""

from __future__ import annotations

import math
import random
import time

from atalaia.stats import Histogram
from benchmarks.figures import Figure, show

VALUES = 200_000
ROUNDS = 5
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


def record_us(values: list[float]) -> float:
    """Return the best of a few rounds: microseconds for one value, the loop's own time included."""
    best_s = math.inf
    for _ in range(ROUNDS):
        record = Histogram().record
        began_s = time.perf_counter()
        for value in values:
            record(value)
        best_s = min(best_s, time.perf_counter() - began_s)
    return best_s / len(values) * 1e6


def worst_error(values: list[float]) -> float:
    """Return the largest relative error among the usual percentiles."""
    histogram, exact = Histogram(), sorted(values)
    for value in values:
        histogram.record(value)
    errors = []
    for q in QUANTILES:
        true = exact[max(1, math.ceil(q * len(exact))) - 1]
        errors.append(abs((histogram.quantile(q) or 0.0) - true) / true)
    return max(errors)


def main() -> None:
    dice = random.Random(1)
    shapes = {
        "log-normal around 5 ms": [dice.lognormvariate(-5.3, 1.0) for _ in range(VALUES)],
        "uniform to 1 s": [dice.uniform(1e-4, 1.0) for _ in range(VALUES)],
    }
    figures = [Figure(f"record, {name}", record_us(values), "us") for name, values in shapes.items()]
    figures += [
        Figure(f"worst error of p50 to p99.9, {name}", 100 * worst_error(values), "%")
        for name, values in shapes.items()
    ]
    show("histogram", figures)


if __name__ == "__main__":
    main()
