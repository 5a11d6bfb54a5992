"""Quantiles of Student's t distribution."""

from __future__ import annotations

import math

PANELS = 100


def t_quantile(p: float, freedom: float) -> float:
    """Return the value below which t lies with probability `p` (0.5 to 0.9999), to four digits."""
    low, high = 0.0, 1.0
    while _below(high, freedom) < p:
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def _below(t: float, freedom: float) -> float:
    """Return P(T < t) for t ≥ 0: Simpson's rule over the angle whose tangent is t / √freedom."""
    whole = math.atan(t / math.sqrt(freedom))
    step = whole / PANELS
    total = math.fsum(
        (1 if i in (0, PANELS) else 4 if i % 2 else 2) * float(math.cos(i * step) ** (freedom - 1))
        for i in range(PANELS + 1)
    )
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi) / 2
    return 0.5 + math.exp(scale) * total * step / 3
