"""Rules: what they select, when a value is bad, when it is good."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from atalaia.events.alerts import Severity
from atalaia.events.series import parse

BAND = Decimal("0.1")
QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
OVER_VALUES = ("avg", "min", "max", "sum", "count")
OVER_COUNTERS = ("rate", "increase")
FUNCTIONS = ("last", *OVER_VALUES, *OVER_COUNTERS, *QUANTILES, "share")
SOURCE_KEYS = ("kind", "group", "source")
Op = Literal[">", "<"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label, or on `kind`, `group` or `source`. An absent label is the empty text."""

    key: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str

    def compiled(self) -> Callable[[str], bool]:
        wanted = self.value
        if self.op == "=":
            return lambda text: text == wanted
        if self.op == "!=":
            return lambda text: text != wanted
        pattern = re.compile(wanted)
        if self.op == "=~":
            return lambda text: pattern.fullmatch(text) is not None
        return lambda text: pattern.fullmatch(text) is None


Matchers = tuple[Matcher, ...]


@dataclass(frozen=True)
class Rule:
    """One rule. Thresholds rise in severity; durations are seconds of event time."""

    name: str
    metric: str
    thresholds: tuple[tuple[Severity, float], ...]
    match: Matchers = ()
    by: Literal["source", "group"] = "source"
    function: str = "last"
    window_s: float = 0.0
    of: Matchers = ()
    op: Op = ">"
    clear: float | None = None
    for_s: float = 60.0
    labels: Mapping[str, str] = field(default_factory=dict)
    summary: str = "{rule} of {source}: {value} beyond {threshold}"

    @property
    def merges(self) -> bool:
        """Return whether several series are judged as one."""
        return self.by == "group" or self.function == "share"

    def beyond(self, value: float, threshold: float) -> bool:
        return value > threshold if self.op == ">" else value < threshold

    def breached(self, value: float) -> list[Severity]:
        """Return the severities whose threshold `value` is beyond, rising."""
        return [severity for severity, threshold in self.thresholds if self.beyond(value, threshold)]

    def left(self, severity: Severity, value: float) -> bool:
        """Return whether `value` is far enough back to leave a severity."""
        return not self.beyond(value, self._leave_at[severity])

    def good(self, value: float) -> bool:
        """Return whether `value` ends the alert."""
        return self.left(self.thresholds[0][0], value)

    def threshold(self, severity: Severity) -> float:
        return dict(self.thresholds)[severity]

    @cached_property
    def _leave_at(self) -> dict[Severity, float]:
        # in decimal, as people write them: the band of 0.2 ends at 0.22, not at 0.22000000000000003
        sign = -1 if self.op == ">" else 1
        bounds = {}
        for severity, threshold in self.thresholds:
            exact = Decimal(str(threshold))
            bounds[severity] = float(exact + sign * BAND * abs(exact))
        if self.clear is not None:
            bounds[self.thresholds[0][0]] = self.clear
        return bounds

    @cached_property
    def _conditions(self) -> tuple[tuple[str, Callable[[str], bool]], ...]:
        return tuple((matcher.key, matcher.compiled()) for matcher in self.match)

    @cached_property
    def _counted(self) -> tuple[tuple[str, Callable[[str], bool]], ...]:
        return tuple((matcher.key, matcher.compiled()) for matcher in self.of)

    def selects(self, series: str, *, kind: str, group: str, source: str) -> bool:
        """Return whether the rule judges this series of this source."""
        name, labels = parse(series)
        if name != self.metric:
            return False
        about = dict(labels) | {"kind": kind, "group": group, "source": source}
        return all(holds(about.get(key, "")) for key, holds in self._conditions)

    def counts(self, series: str) -> bool:
        """Return whether a selected series is among those that `of` names."""
        labels = dict(parse(series)[1])
        return all(holds(labels.get(key, "")) for key, holds in self._counted)


class Rules:
    """All rules, by name and by metric."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_name = {rule.name: rule for rule in rules}
        self._by_metric: dict[str, list[Rule]] = {}
        for rule in self:
            self._by_metric.setdefault(rule.metric, []).append(rule)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Rule | None:
        return self._by_name.get(name)

    def for_metric(self, metric: str) -> list[Rule]:
        return self._by_metric.get(metric, [])

    @property
    def longest_window_s(self) -> float:
        return max((rule.window_s for rule in self), default=0.0)
