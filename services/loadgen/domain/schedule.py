"""When requests are due: arrival times in nanoseconds from the start of the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from services.loadgen.domain.plan import Stage

NS = 1_000_000_000


def constant(stages: Sequence[Stage], *, share: int = 0, shares: int = 1) -> Iterator[int]:
    """Yield one share's arrivals, evenly spaced: arrival i of the whole goes to share i mod `shares`."""
    marks = (float(number) for number in _every(share, shares))
    return _at_marks(stages, marks)


def poisson(stages: Sequence[Stage], exponential: Callable[[], float], *, shares: int = 1) -> Iterator[int]:
    """Yield one share's arrivals of a Poisson process; a sum of such shares is one of the whole rate.

    `exponential` draws from the exponential distribution with mean 1.
    """

    def marks() -> Iterator[float]:
        mark = 0.0
        while True:
            mark += exponential() * shares
            yield mark

    return _at_marks(stages, marks())


def _every(first: int, step: int) -> Iterator[int]:
    number = first
    while True:
        yield number
        number += step


def _at_marks(stages: Sequence[Stage], marks: Iterator[float]) -> Iterator[int]:
    """Yield when the expected number of arrivals so far reaches each mark, until the stages end."""
    begin_s, before = 0.0, 0.0
    remaining = iter(stages)
    stage = next(remaining, None)
    for mark in marks:
        while stage is not None and mark >= before + expected(stage) - 1e-9:
            before += expected(stage)
            begin_s += stage.duration_s
            stage = next(remaining, None)
        if stage is None:
            return
        yield round((begin_s + _reached_s(stage, mark - before)) * NS)


def expected(stage: Stage) -> float:
    """Return how many arrivals a stage holds."""
    return stage.duration_s * (stage.from_rps + stage.to_rps) / 2


def _reached_s(stage: Stage, number: float) -> float:
    """Solve from·t + slope·t²/2 = number for t, in the form that stays exact for small slopes."""
    if stage.from_rps == stage.to_rps:
        return number / stage.from_rps
    slope = (stage.to_rps - stage.from_rps) / stage.duration_s
    root = math.sqrt(max(stage.from_rps**2 + 2 * slope * number, 0.0))
    return 2 * number / (stage.from_rps + root) if number > 0 else 0.0
