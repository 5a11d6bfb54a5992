"""A histogram's summary, with what the sample cannot support marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.loadgen.domain.histogram import Delta, Histogram
from services.loadgen.domain.intervals import Interval, by_blocks, by_rank

NS = 1e9
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. `thin`: percentiles that too few values support; `at_least`: those that are lower bounds.

    `intervals` hold a percentile with 95 %, as far as one run can tell.
    """

    count: int
    avg_s: float | None
    min_s: float | None
    max_s: float | None
    percentiles: dict[str, float | None]
    thin: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    intervals: dict[str, Interval] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "avg_s": self.avg_s,
            "min_s": self.min_s,
            "max_s": self.max_s,
            **{f"{name}_s": value for name, value in self.percentiles.items()},
            "thin": list(self.thin),
            "at_least": list(self.at_least),
            "intervals_s": {name: list(found) for name, found in self.intervals.items()},
        }


def needed(q: float) -> int:
    """Return the smallest sample whose quantile `q` has a finite upper 95 % bound (two-sided, by ranks)."""
    return math.ceil(math.log(0.025) / math.log(q)) if 0 < q < 1 else 1


def times_of(
    histogram: Histogram,
    *,
    out: int = 0,
    oldest_out_ns: int = 0,
    blocks: Sequence[Delta] | None = None,
) -> Times:
    """Summarise. `out` requests have not ended: they are slower than any rank below them allows to say.

    With the `blocks` that the histogram is the sum of, intervals are found, too.
    """
    found = {name: quantile_of(histogram, q, out, oldest_out_ns) for name, q in PERCENTILES.items()}
    mean = histogram.mean_ns()
    some = histogram.count > 0
    thin = tuple(name for name, q in PERCENTILES.items() if some and histogram.count + out < needed(q))
    return Times(
        count=histogram.count,
        avg_s=None if mean is None else mean / NS,
        min_s=histogram.min_ns / NS if some else None,
        max_s=histogram.max_ns / NS if some else None,
        percentiles={name: value for name, (value, _) in found.items()},
        thin=thin,
        at_least=tuple(name for name, (_, bound) in found.items() if bound),
        intervals={} if blocks is None else _intervals(histogram, out, blocks, thin),
    )


def _intervals(
    histogram: Histogram, out: int, blocks: Sequence[Delta], thin: Sequence[str]
) -> dict[str, Interval]:
    """Return the wider of two answers: ranks know nothing of troubles in common, blocks little of tails."""
    wanted = {name: q for name, q in PERCENTILES.items() if name not in thin}
    ranked = {name: by_rank(histogram, q, out) for name, q in wanted.items()}
    resampled = by_blocks(blocks, list(wanted.values()))
    blocked = dict(zip(wanted, resampled, strict=True)) if resampled else {}
    found: dict[str, Interval] = {}
    for name, ranks in ranked.items():
        if ranks is not None:
            low, high = blocked.get(name, ranks)
            found[name] = (min(low, ranks[0]), max(high, ranks[1]))
    return found


def quantile_of(
    histogram: Histogram, q: float, out: int = 0, oldest_out_ns: int = 0
) -> tuple[float | None, bool]:
    """Return (seconds, whether it is only a lower bound, for its rank falls among those still out)."""
    total = histogram.count + out
    if total == 0:
        return None, False
    rank = max(1, math.ceil(q * total - 1e-9))
    value = histogram.at_rank_ns(rank)
    if value is None:
        return max(histogram.max_ns, oldest_out_ns) / NS, True
    return value / NS, False
