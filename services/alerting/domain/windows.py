"""What a function sees: the values of a stretch of event time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from atalaia.stats import Histogram
from services.alerting.domain.rules import QUANTILES, Rule


@dataclass(slots=True)
class Seen:
    """What one message adds: values of gauges, increases of counters, events of histograms."""

    at_s: float
    values: list[float] = field(default_factory=list)
    increase: float | None = None
    counted: float = 0.0
    total: float = 0.0
    histogram: Histogram | None = None


class Window:
    """The last `rule.window_s` seconds before the newest message: (newest − window, newest]."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._seen: deque[Seen] = deque()
        self._newest_s = float("-inf")

    def add(self, seen: Seen) -> None:
        """Take a message in. Members of a group may be a little out of order among themselves."""
        self._newest_s = max(self._newest_s, seen.at_s)
        self._seen.append(seen)
        oldest = self._newest_s - self._rule.window_s
        while self._seen and self._seen[0].at_s <= oldest:
            self._seen.popleft()

    def result(self) -> float | None:
        """Return what the rule's function makes of the window; None where there is nothing to judge."""
        oldest = self._newest_s - self._rule.window_s
        inside = [seen for seen in self._seen if seen.at_s > oldest]
        function = self._rule.function
        if function in QUANTILES:
            return _merged(inside).quantile(QUANTILES[function])
        if function == "share":
            total = sum(seen.total for seen in inside)
            return sum(seen.counted for seen in inside) / total if total else None
        if function in ("rate", "increase"):
            increases = [seen.increase for seen in inside if seen.increase is not None]
            if not increases:
                return None
            return sum(increases) / (self._rule.window_s if function == "rate" else 1.0)
        return _over_values(function, [value for seen in inside for value in seen.values], inside)


def _merged(inside: list[Seen]) -> Histogram:
    merged = Histogram(scale=20)
    for seen in inside:
        if seen.histogram is not None:
            merged.merge(seen.histogram)
    return merged


def _over_values(function: str, values: list[float], inside: list[Seen]) -> float | None:
    if function == "count" and not values:
        total = sum(seen.total for seen in inside)
        return total or None
    if not values:
        return None
    match function:
        case "avg":
            return sum(values) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "sum":
            return sum(values)
        case "count":
            return float(len(values))
        case _:
            return values[-1]
