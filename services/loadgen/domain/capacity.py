"""The search for the highest rate that holds the SLOs: doubled, confirmed, then halved in on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

NARROW = 1.05
LOWEST_RPS = 0.5
StopReason = Literal["slo", "cap", "generator_limit", "nothing_holds"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One rate, tried once. `limited`: the generator, not the target, was the limit."""

    rps: float
    held: bool
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    rps: float


@dataclass(frozen=True, slots=True)
class Found:
    """The end. No capacity where the generator was the limit: it would be the generator's."""

    capacity_rps: float | None
    reason: StopReason


def step(trials: Sequence[Trial], first_rps: float, cap_rps: float) -> Try | Found:
    """Return what to try next, or what was found. One breach is noise: a rate is given up after two."""
    if trials and not _good(trials[-1]) and _bad_count(trials, trials[-1].rps) < 2:
        return Try(trials[-1].rps)
    given_up = [trial.rps for trial in trials if _bad_count(trials, trial.rps) >= 2]
    high = min(given_up, default=math.inf)
    low = max((trial.rps for trial in trials if _good(trial) and trial.rps < high), default=0.0)
    if math.isinf(high):
        return Found(low, "cap") if low >= cap_rps else Try(min(cap_rps, low * 2 or first_rps))
    if any(trial.limited for trial in trials if trial.rps == high):
        return Found(None, "generator_limit")
    if not low:
        return Try(high / 2) if high / 2 >= LOWEST_RPS else Found(None, "nothing_holds")
    if high / low > NARROW:
        return Try(_rounded(math.sqrt(low * high)))
    confirmed = sum(trial.rps == low and _good(trial) for trial in trials) >= 2
    return Found(low, "slo") if confirmed else Try(low)


def _good(trial: Trial) -> bool:
    return trial.held and not trial.limited


def _bad_count(trials: Sequence[Trial], rps: float) -> int:
    return sum(trial.rps == rps and not _good(trial) for trial in trials)


def _rounded(rps: float) -> float:
    """Return three digits of a rate: people read it, and 1 % matters to nobody here."""
    return float(f"{rps:.3g}") if rps < 100_000 else round(rps)
