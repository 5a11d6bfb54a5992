"""When to measure: inputs of the same interval together, without drift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """Inputs that are measured together and travel under one kind."""

    kind: str
    interval_s: float
    inputs: tuple[str, ...]


def rounds(intervals_s: Mapping[str, float], default_s: float) -> list[Round]:
    """Return one round of all inputs at the default interval, and one for each other input."""
    together = tuple(name for name, interval_s in intervals_s.items() if interval_s == default_s)
    apart = [
        Round(f"host-{name}", interval_s, (name,))
        for name, interval_s in intervals_s.items()
        if interval_s != default_s
    ]
    return [*([Round("host", default_s, together)] if together else []), *apart]


def next_due_s(began_s: float, interval_s: float, now_s: float) -> float:
    """Return the next moment of the grid that began at `began_s`; moments that were missed are left out."""
    return began_s + interval_s * (math.floor((now_s - began_s) / interval_s) + 1)
