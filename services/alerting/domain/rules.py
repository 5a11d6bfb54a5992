"""Rules: what they select, when a value is bad, when it is good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from operator import gt, lt
from typing import Literal

from atalaia.events.alerts import Severity
from atalaia.events.matching import Conditions, Test
from atalaia.events.series import parse, spell

BAND = Decimal("0.1")
QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
OVER_VALUES = ("avg", "min", "max", "sum", "count")
OVER_COUNTERS = ("rate", "increase")
FUNCTIONS = ("last", *OVER_VALUES, *OVER_COUNTERS, *QUANTILES, "share", "absent")
SOURCE_KEYS = ("kind", "group", "source")
_MOST_TELLING = {"source": 0, "group": 1, "kind": 3}
Op = Literal[">", "<"]


@dataclass(frozen=True)
class Rule:
    """One rule. Thresholds rise in severity; durations are seconds of event time.

    `by_labels`: series that agree in these labels are judged as one. `keep_firing_s`: how long
    values must be good before the alert resolves. `stale_after_s`: the silence after which
    an alert is stale; None: five intervals, at least a minute.
    """

    name: str
    metric: str
    thresholds: tuple[tuple[Severity, float], ...]
    match: Conditions = ()
    by: Literal["source", "group"] = "source"
    by_labels: tuple[str, ...] = ()
    function: str = "last"
    window_s: float = 0.0
    of: Conditions = ()
    op: Op = ">"
    clear: float | None = None
    for_s: float = 60.0
    keep_firing_s: float = 0.0
    stale_after_s: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    summary: str = "{rule} of {source}: {value} beyond {threshold}"
    description: str = ""
    runbook_url: str = ""

    @property
    def merges(self) -> bool:
        """Return whether several series are judged as one."""
        return self.by == "group" or self.function == "share" or bool(self.by_labels)

    def judged_as(self, series: str) -> str:
        """Return the series that an alert about `series` names: itself, or what it is merged into."""
        if not self.merges:
            return series
        labels = dict(parse(series)[1])
        return spell(self.metric, {key: labels[key] for key in self.by_labels if key in labels})

    @cached_property
    def beyond(self) -> Callable[[float, float], bool]:
        """The comparison of a value with a threshold."""
        return gt if self.op == ">" else lt

    @cached_property
    def hold_for(self) -> timedelta:
        return timedelta(seconds=self.for_s)

    @cached_property
    def keep_firing_for(self) -> timedelta:
        return timedelta(seconds=self.keep_firing_s)

    def breached(self, value: float) -> list[Severity]:
        """Return the severities whose threshold `value` is beyond, rising."""
        beyond = self.beyond
        return [severity for severity, threshold in self.thresholds if beyond(value, threshold)]

    def left(self, severity: Severity, value: float) -> bool:
        """Return whether `value` is far enough back to leave a severity."""
        return not self.beyond(value, self._leave_at[severity])

    def good(self, value: float) -> bool:
        """Return whether `value` ends the alert."""
        return not self.beyond(value, self._good_at)

    @cached_property
    def _good_at(self) -> float:
        return self._leave_at[self.thresholds[0][0]]

    def threshold(self, severity: Severity) -> float:
        return self._threshold_of[severity]

    @cached_property
    def _threshold_of(self) -> dict[Severity, float]:
        return dict(self.thresholds)

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
    def _conditions(self) -> tuple[tuple[str, Test], ...]:
        return tuple((condition.key, condition.test()) for condition in self.match)

    @cached_property
    def _counted(self) -> tuple[tuple[str, Test], ...]:
        return tuple((condition.key, condition.test()) for condition in self.of)

    def selects(self, about: Mapping[str, str]) -> bool:
        """Return whether the rule judges a series of its metric, given its labels and its source's keys."""
        return all(holds(about.get(key, "")) for key, holds in self._conditions)

    def selects_source(self, whose: Mapping[str, str]) -> bool:
        """Return whether the rule looks at a source (its kind, group and source), whatever series it has."""
        return all(holds(whose[key]) for key, holds in self._conditions if key in SOURCE_KEYS)

    def is_among(self, names: Iterable[str], whose: Mapping[str, str]) -> bool:
        """Return whether one of these series of a source is one that the rule selects."""
        return any(parse(name)[0] == self.metric and self.selects(_facts(name, whose)) for name in names)

    @property
    def tells_sources_apart(self) -> bool:
        return any(condition.key in ("group", "source") for condition in self.match)

    def counts(self, series: str) -> bool:
        """Return whether a selected series is among those that `of` names."""
        labels = dict(parse(series)[1])
        return all(holds(labels.get(key, "")) for key, holds in self._counted)


class _Index:
    """Rules by one of their equality matchers, so that one that names another source costs nothing."""

    def __init__(self, keys: tuple[str, ...] | None = None) -> None:
        self._keys = keys
        self._anywhere: list[Rule] = []
        self._where: dict[str, dict[str, list[Rule]]] = {}

    def add(self, rule: Rule) -> None:
        equal = [one for one in rule.match if one.op == "=" and (self._keys is None or one.key in self._keys)]
        if not equal:
            self._anywhere.append(rule)
            return
        # the source says most, then the group; of labels, any
        chosen = min(equal, key=lambda one: _MOST_TELLING.get(one.key, 2))
        self._where.setdefault(chosen.key, {}).setdefault(chosen.value, []).append(rule)

    def candidates(self, about: Mapping[str, str]) -> Iterator[Rule]:
        yield from self._anywhere
        for key, rules in self._where.items():
            yield from rules.get(about.get(key, ""), ())


class Rules:
    """All rules, by name, and by what they select."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_name = {rule.name: rule for rule in rules}
        self._by_metric: dict[str, _Index] = {}
        self._absent = _Index(SOURCE_KEYS)
        self._apart = {rule.metric for rule in self if rule.tells_sources_apart}
        self._absent_apart = any(rule.tells_sources_apart for rule in self if rule.function == "absent")
        for rule in self:
            if rule.function == "absent":
                self._absent.add(rule)
            else:
                self._by_metric.setdefault(rule.metric, _Index()).add(rule)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Rule | None:
        return self._by_name.get(name)

    def selecting(self, series: str, whose: Mapping[str, str]) -> Iterator[Rule]:
        """Yield the rules that judge a series of a source, given its `kind`, `group` and `source`."""
        index = self._by_metric.get(parse(series)[0])
        if index is not None:
            facts = _facts(series, whose)
            yield from (rule for rule in index.candidates(facts) if rule.selects(facts))

    def missing_from(self, whose: Mapping[str, str]) -> Iterator[Rule]:
        """Yield the rules that judge whether a source has a series at all."""
        return (rule for rule in self._absent.candidates(whose) if rule.selects_source(whose))

    def alike_for_all_sources(self, names: Iterable[str]) -> bool:
        """Return whether these series are judged alike whichever source of a kind has them."""
        return not self._absent_apart and self._apart.isdisjoint(parse(name)[0] for name in names)

    @property
    def longest_window_s(self) -> float:
        return max((rule.window_s for rule in self), default=0.0)


def _facts(series: str, whose: Mapping[str, str]) -> dict[str, str]:
    """Return what matchers look at: the series' labels, and the keys of its source."""
    return {**dict(parse(series)[1]), **whose}
