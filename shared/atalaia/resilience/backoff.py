"""How long to wait before the next try."""

from __future__ import annotations


def delay_s(attempt: int, *, first_s: float, most_s: float, dice: float = 0.5, spread: float = 0.2) -> float:
    """Return the wait after try number `attempt` (from 1): doubling, bounded, off by ± `spread`.

    `dice` is a random number in 0..1 that the caller throws.
    """
    base = min(most_s, first_s * 2.0 ** min(attempt - 1, 60))
    return base * (1.0 + spread * (2.0 * dice - 1.0))
