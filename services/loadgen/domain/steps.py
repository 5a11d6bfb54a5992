"""Throughput and latency for each step of a stress test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.plan import Step
from services.loadgen.domain.usl import Fit, fit_with_doubt
from services.loadgen.domain.window import Window

NS = 1e9
SETTLE_S = 1.0
SHORT_S = 3.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """One level, its first second left out where it is longer than three."""

    users: int
    seconds: float
    throughput: float
    failed: int
    avg_s: float | None
    p95_s: float | None
    p99_s: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "users": self.users,
            "seconds": self.seconds,
            "throughput": self.throughput,
            "failed": self.failed,
            "avg_s": self.avg_s,
            "p95_s": self.p95_s,
            "p99_s": self.p99_s,
        }


class Steps:
    """Takes a run's windows; each counts for the step that it lies in as a whole."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._histograms = [Histogram() for _ in steps]
        self._ok = [0] * len(steps)
        self._rates: list[list[float]] = [[] for _ in steps]
        self._failed = [0] * len(steps)
        self._seconds = [0.0] * len(steps)

    def add(self, window: Window) -> None:
        begin_s = 0.0
        for place, step in enumerate(self._steps):
            length_s = step.duration_s or 0.0
            settled_s = begin_s + (SETTLE_S if length_s > SHORT_S else 0.0)
            begin_s += length_s
            if settled_s - 1e-6 <= window.from_s and window.to_s <= begin_s + 1e-6:
                self._ok[place] += window.counts["ok"]
                self._rates[place].append(window.counts["ok"] / (window.to_s - window.from_s))
                failures = ("http_errors", "connection_errors", "timeouts")
                self._failed[place] += sum(window.counts[end] for end in failures)
                self._seconds[place] += window.to_s - window.from_s
                self._histograms[place].add(window.histogram("response"))

    def results(self) -> list[StepResult]:
        return [
            StepResult(
                step.users,
                self._seconds[place],
                self._ok[place] / self._seconds[place],
                self._failed[place],
                _s(self._histograms[place].mean_ns()),
                _s(self._histograms[place].quantile_ns(0.95)),
                _s(self._histograms[place].quantile_ns(0.99)),
            )
            for place, step in enumerate(self._steps)
            if self._seconds[place]
        ]

    def fit(self) -> Fit | None:
        told = [(step.users, rates) for step, rates in zip(self._steps, self._rates, strict=True) if rates]
        return fit_with_doubt([users for users, _ in told], [rates for _, rates in told])


def _s(ns: float | None) -> float | None:
    return None if ns is None else ns / NS
