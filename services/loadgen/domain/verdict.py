"""Whether to believe the measurement: valid, suspect or invalid, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Measurement = Literal["valid", "suspect", "invalid"]

SUSPECT_LAG_S, SUSPECT_LAG_OF_P50 = 0.002, 0.10
INVALID_LAG_S, INVALID_LAG_OF_P50 = 0.020, 0.50
BUSY_CPU = 0.90
BUSY_WINDOWS = 3
WAITING_CPU = 0.25
CROWDED_CPU = 0.50
NEAR_CEILING = 0.70
LEAST_DELIVERED = 0.99


@dataclass(frozen=True, slots=True)
class Health:
    """What the generator knows of itself after a run. Shares are 0–1; None where nothing was measured."""

    open_model: bool
    balanced: bool
    lag_p99_s: float | None
    loop_p99_s: float | None
    response_p50_s: float | None
    cpu_shares: Sequence[float] = ()
    cpu_wait_shares: Sequence[float] = ()
    rate_per_worker: float = 0.0
    ceiling_per_worker: float | None = None
    offered: int = 0
    delivered: float = 1.0
    unsent: int = 0
    own_faults: dict[str, int] | None = None
    lost: Sequence[str] = ()
    littles_law: bool | None = None
    unsteady: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    measurement: Measurement
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        return {"measurement": self.measurement, "reasons": list(self.reasons)}


def judge(health: Health) -> Verdict:
    """Return the verdict; the worst reason decides, all are named."""
    held_up = _held_up(health) or _crowded_out(health)
    invalid = [*_broken(health), *_late(health, INVALID_LAG_S, INVALID_LAG_OF_P50), *held_up]
    suspect = [] if invalid else _late(health, SUSPECT_LAG_S, SUSPECT_LAG_OF_P50)
    (invalid if health.open_model else suspect).extend(_busy(health))
    suspect += [*([] if held_up else _starved(health)), *_near_ceiling(health), *_undelivered(health)]
    suspect += _inconsistent(health)
    if invalid:
        return Verdict("invalid", (*invalid, *suspect))
    return Verdict("suspect", tuple(suspect)) if suspect else Verdict("valid", ())


def _broken(health: Health) -> list[str]:
    reasons = [f"a part of the generator was lost: {one}" for one in health.lost]
    if not health.balanced:
        reasons.append("the books do not balance: a request was lost or counted twice")
    for name, number in (health.own_faults or {}).items():
        reasons.append(f"{number} requests failed here, not there: {name}")
    return reasons


def _late(health: Health, least_s: float, of_p50: float) -> list[str]:
    limit_s = max(least_s, of_p50 * (health.response_p50_s or 0.0))
    lags = {"sends left": health.lag_p99_s, "the loop turned": health.loop_p99_s}
    return [
        f"{what} late: p99 {lag_s * 1e3:.1f} ms, where {limit_s * 1e3:.1f} ms would do"
        for what, lag_s in lags.items()
        if lag_s is not None and lag_s > limit_s
    ]


def _held_up(health: Health) -> list[str]:
    """A rate that was not delivered, with a sign that it was not the target that held it up.

    Lateness alone does not tell: a generator that falls behind makes the response times long, too.
    """
    signs = [*_starved(health), *_busy(health)]
    if health.lag_p99_s is not None and health.lag_p99_s > INVALID_LAG_S:
        signs.append(f"sends left {health.lag_p99_s * 1e3:.0f} ms late (p99)")
    if health.delivered >= LEAST_DELIVERED or not signs:
        return []
    return [f"{health.delivered:.0%} of the rate was delivered, held up here: {signs[0]}"]


def _crowded_out(health: Health) -> list[str]:
    """An open run that was late at all, and more often without a CPU than with one."""
    late = health.open_model and _late(health, SUSPECT_LAG_S, SUSPECT_LAG_OF_P50)
    return _starved(health, more_than=CROWDED_CPU) if late else []


def _busy(health: Health) -> list[str]:
    busy = sum(share > BUSY_CPU for share in health.cpu_shares)
    if busy < BUSY_WINDOWS:
        return []
    return [f"the generator used more than {BUSY_CPU:.0%} of its core in {busy} windows: try --workers"]


def _starved(health: Health, *, more_than: float = WAITING_CPU) -> list[str]:
    shares = health.cpu_wait_shares
    if len(shares) == 0:
        return []
    mean = sum(shares) / len(shares)
    if mean <= more_than:
        return []
    return [f"the generator was ready but without a CPU {mean:.0%} of the time"]


def _near_ceiling(health: Health) -> list[str]:
    ceiling = health.ceiling_per_worker
    if not ceiling or health.rate_per_worker <= NEAR_CEILING * ceiling:
        return []
    share = health.rate_per_worker / ceiling
    return [f"{share:.0%} of what this machine's generator can send ({ceiling:,.0f}/s a core): try --workers"]


def _undelivered(health: Health) -> list[str]:
    if not health.offered or health.unsent <= (1 - LEAST_DELIVERED) * health.offered:
        return []
    return [f"{health.unsent} of {health.offered} arrivals found no free connection in time: --connections"]


def _inconsistent(health: Health) -> list[str]:
    reasons = [f"it did not settle: {health.unsteady}"] if health.unsteady else []
    if health.littles_law is False:
        reasons.append("Little's law does not hold: what was in flight and the response times disagree")
    return reasons
