"""Rule tests: what sources send, and what is expected of it. Times are milliseconds from the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atalaia.events.metrics import HistogramDelta

EVERY_MS = 10_000
Fact = str | float | bool | dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Sender:
    """One source and all it sends: for each series what it is at each step, None where it is not there."""

    source: str
    kind: str = "host"
    group: str = ""
    every_ms: int = EVERY_MS
    gauges: Mapping[str, list[float | None]] = field(default_factory=dict)
    counters: Mapping[str, list[float | None]] = field(default_factory=dict)
    histograms: Mapping[str, list[HistogramDelta | None]] = field(default_factory=dict)
    leaves_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert or a transition, by the facts that the test cares about."""

    line: int
    facts: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Look:
    """All alerts that fire at a moment; and of the pending ones those that the test names."""

    line: int
    at_ms: int
    alerts: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """All transitions, in order."""

    line: int
    transitions: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """`only`: the rules that are judged; none named: all."""

    name: str
    line: int
    senders: tuple[Sender, ...]
    looks: tuple[Look, ...] = ()
    course: Course | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTests:
    """`rules`: the rules file that is tested, as the test file names it; None: the stock rules."""

    rules: str | None
    tests: tuple[RuleTest, ...]
