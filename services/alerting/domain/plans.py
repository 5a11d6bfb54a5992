"""What of a message is judged: worked out once for all sources whose messages look alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from operator import gt, lt
from weakref import WeakValueDictionary

from atalaia.events.metrics import Measurements
from services.alerting.domain.rules import Rule, Rules

Layout = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def layout_of(batch: Measurements) -> Layout:
    """Return the series of a message: gauges, counters, histograms."""
    return tuple(batch.gauges), tuple(batch.counters), tuple(batch.histograms)


@dataclass(frozen=True)
class Watch:
    """One series under one rule, judged by each value. `column`: of gauges, then counters."""

    rule: Rule
    series: str
    column: int

    @cached_property
    def name(self) -> tuple[str, str]:
        return self.rule.name, self.series

    @cached_property
    def bound(self) -> float:
        """The lowest threshold: beyond it an alert begins."""
        return self.rule.thresholds[0][1]

    def begins(self, value: float) -> bool:
        return self.rule.beyond(value, self.bound)


@dataclass(frozen=True, slots=True)
class Measured:
    """Series that one rule judges through a window, and the series its alert names."""

    rule: Rule
    series: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """A rule that judges how long a series has been absent; `there`: it is in these messages."""

    rule: Rule
    there: bool


class Plan:
    """The rules of one layout. `begins` says at the speed of C that no value is beyond any threshold."""

    def __init__(
        self, layout: Layout, watches: list[Watch], measured: list[Measured], missed: list[Missed]
    ) -> None:
        self.layout = layout
        self.watches = watches
        self.measured = measured
        self.missed = missed
        self.names = {watch.name for watch in watches} | {(one.rule.name, one.series) for one in measured}
        self._above = self._bounds(watches, ">", inf, min)
        self._below = self._bounds(watches, "<", -inf, max)

    def begins(self, values: list[float]) -> bool:
        """Return whether some value is beyond the lowest threshold of a rule that watches it."""
        return any(map(gt, values, self._above)) or any(map(lt, values, self._below))

    def _bounds(
        self, watches: list[Watch], op: str, never: float, nearest: Callable[[float, float], float]
    ) -> list[float]:
        chosen = [watch for watch in watches if watch.rule.op == op]
        if not chosen:
            return []
        bounds = [never] * (len(self.layout[0]) + len(self.layout[1]))
        for watch in chosen:
            bounds[watch.column] = nearest(bounds[watch.column], watch.bound)
        return bounds


class Planner:
    """Makes plans, and shares those that do not depend on which source it is."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._shared: WeakValueDictionary[tuple[str, Layout], Plan] = WeakValueDictionary()

    def plan(self, whose: Mapping[str, str], layout: Layout) -> Plan:
        """Return what is judged of such messages of a source, given its `kind`, `group` and `source`."""
        known = self._shared.get((whose["kind"], layout))
        if known is not None:
            return known
        plan = self._made(whose, layout)
        if self._rules.alike_for_all_sources(series for names in layout for series in names):
            self._shared[whose["kind"], layout] = plan
        return plan

    def _made(self, whose: Mapping[str, str], layout: Layout) -> Plan:
        gauges, counters, histograms = layout
        watches: list[Watch] = []
        merged: dict[tuple[str, str], tuple[Rule, list[str]]] = {}
        for column, series in enumerate((*gauges, *counters, *histograms)):
            is_value = column < len(gauges) + len(counters)
            for rule in self._rules.selecting(series, whose):
                if rule.function == "last" and is_value and not rule.merges:
                    watches.append(Watch(rule, series, column))
                else:
                    judged_as = rule.judged_as(series)
                    merged.setdefault((rule.name, judged_as), (rule, []))[1].append(series)
        measured = [Measured(rule, judged_as, tuple(of)) for (_, judged_as), (rule, of) in merged.items()]
        missed = [
            Missed(rule, rule.is_among((series for names in layout for series in names), whose))
            for rule in self._rules.missing_from(whose)
        ]
        return Plan(layout, watches, measured, missed)
