"""What a rule test's sources make of the rules: the judge itself, on messages and time that are made up.

A source sends its step n at n times its interval. Time passes in whole seconds, as silence is
noticed; what comes at the same moment is judged in the order in which the test names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import TypeVar

from atalaia.events.alerts import AlertTransition
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.events.subjects import partition_of
from services.alerting.domain.alert import Alert, Change, State
from services.alerting.domain.judge import Judge
from services.alerting.domain.rule_tests import RuleTest, Sender
from services.alerting.domain.rules import Rules

BEGINS_AT = datetime(2026, 1, 1, tzinfo=UTC)
TICK_MS = 1000
T = TypeVar("T")


@dataclass(slots=True)
class Seen:
    """What came of it: every transition, and what was pending or firing at each moment asked for."""

    transitions: list[AlertTransition] = field(default_factory=list)
    alerts: dict[int, list[Alert]] = field(default_factory=dict)


def after_s(at: datetime) -> float:
    """Return the seconds from the test's beginning to a moment of it."""
    return (at - BEGINS_AT).total_seconds()


def rehearse(test: RuleTest, rules: Rules) -> Seen:
    """Judge what a test's sources send, up to the last thing that happens or is expected."""
    chosen = Rules(rule for rule in rules if not test.only or rule.name in test.only)
    ids = count(1)
    judge = Judge(chosen, lambda _: f"{next(ids):08}")
    seen = Seen()
    standing: dict[str, Alert] = {}
    now_ms = 0
    for at_ms, batches in _moments(test):
        for passed_ms in _ticks(now_ms, at_ms):
            now_ms += passed_ms
            _note(judge.tick(timedelta(milliseconds=passed_ms), _at(now_ms)), standing, seen)
        for batch in batches:
            _note(judge.observe(batch, batch.at, partition_of(batch.group)), standing, seen)
        seen.alerts[at_ms] = list(standing.values())
    return seen


def _note(changes: Iterable[Change], standing: dict[str, Alert], seen: Seen) -> None:
    for change in changes:
        if change.transition is not None:
            seen.transitions.append(change.event())
        if change.withdrawn or change.alert.state is State.RESOLVED:
            standing.pop(change.alert.alert_id, None)
        else:
            standing[change.alert.alert_id] = change.alert


def _moments(test: RuleTest) -> Iterator[tuple[int, list[MetricsBatch]]]:
    """Yield each moment at which something comes or is looked for, with what comes."""
    sent = sorted((message for one in test.senders for message in _messages(one)), key=lambda pair: pair[0])
    by_moment = {at_ms: [batch for _, batch in group] for at_ms, group in groupby(sent, lambda pair: pair[0])}
    expected = [look.at_ms for look in test.looks]
    if test.course is not None:
        said = (one.facts.get("at") for one in test.course.transitions)
        expected += [round(at_s * 1000) for at_s in said if isinstance(at_s, float)]
    for at_ms in sorted({*by_moment, *expected}):
        yield at_ms, by_moment.get(at_ms, [])


def _messages(sender: Sender) -> Iterator[tuple[int, MetricsBatch]]:
    columns = (sender.gauges, sender.counters, sender.histograms)
    steps = max(len(column) for columns_of_kind in columns for column in columns_of_kind.values())
    for step in range(steps):
        at_ms = step * sender.every_ms
        gauges, counters = _there(sender.gauges, step), _there(sender.counters, step)
        histograms = _there(sender.histograms, step)
        if (gauges or counters or histograms) and at_ms != sender.leaves_ms:
            yield at_ms, _batch(sender, at_ms, gauges=gauges, counters=counters, histograms=histograms)
    if sender.leaves_ms is not None:
        yield sender.leaves_ms, _batch(sender, sender.leaves_ms, final=True)


def _batch(
    sender: Sender,
    at_ms: int,
    *,
    gauges: dict[str, float] | None = None,
    counters: dict[str, float] | None = None,
    histograms: dict[str, HistogramDelta] | None = None,
    final: bool = False,
) -> MetricsBatch:
    return MetricsBatch(
        source=sender.source,
        kind=sender.kind,
        group=sender.group,
        at=_at(at_ms),
        interval_s=sender.every_ms / 1000,
        gauges=gauges or {},
        counters=counters or {},
        histograms=histograms or {},
        final=final,
    )


def _there(columns: Mapping[str, list[T | None]], step: int) -> dict[str, T]:
    found = {}
    for series, column in columns.items():
        value = column[step] if step < len(column) else None
        if value is not None:
            found[series] = value
    return found


def _ticks(from_ms: int, to_ms: int) -> Iterator[int]:
    while from_ms < to_ms:
        passed_ms = min(to_ms - from_ms, TICK_MS - from_ms % TICK_MS)
        yield passed_ms
        from_ms += passed_ms


def _at(after_ms: int) -> datetime:
    return BEGINS_AT + timedelta(milliseconds=after_ms)
