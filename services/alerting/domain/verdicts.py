"""Expected against got: where a rule test fails, as a diff (- expected, + got)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atalaia.events.alerts import AlertTransition
from services.alerting.domain.alert import Alert, State
from services.alerting.domain.rehearsal import Seen, after_s, rehearse
from services.alerting.domain.rule_tests import Course, Fact, Look, RuleTest
from services.alerting.domain.rules import Rules

Facts = Mapping[str, Fact]
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NAMED_BY = ("rule", "source", "series")


@dataclass(frozen=True, slots=True)
class Failure:
    """`diff`: lines that begin with `-` (expected), `+` (got) or a space (both)."""

    line: int
    what: str
    diff: tuple[str, ...]


def failures(test: RuleTest, rules: Rules) -> list[Failure]:
    """Run a test; return where what happens is not what it expects."""
    seen = rehearse(test, rules)
    found = [failure for look in test.looks for failure in _look(look, seen.alerts[look.at_ms])]
    if test.course is not None:
        found += _course(test.course, seen)
    return found


def _look(look: Look, alerts: Iterable[Alert]) -> list[Failure]:
    got = [_alert(alert) for alert in alerts]
    when = f"at {_span(look.at_ms / 1000)}"
    # the most particular first, so that they are not left with what another might have had
    wanted = sorted(look.alerts, key=lambda one: -len(one.facts))
    missed = []
    for expected in wanted:
        match = next((facts for facts in got if _agree(expected.facts, facts)), None)
        if match is None:
            missed.append(expected)
        else:
            got.remove(match)
    found = []
    for expected in sorted(missed, key=lambda one: one.line):
        nearest = _nearest(expected.facts, got)
        if nearest is None:
            found.append(Failure(expected.line, f"{when}: no such alert", (f"- {_flow(expected.facts)}",)))
        else:
            got.remove(nearest)
            what = f"{when}: {nearest['rule']} of {nearest['source']} differs"
            found.append(Failure(expected.line, what, _differences(expected.facts, nearest)))
    too_many = [facts for facts in got if facts["state"] == "firing"]
    if too_many:
        said = tuple(f"+ {_flow(_told(facts))}" for facts in too_many)
        found.append(Failure(look.line, f"{when}: fires, and is not expected", said))
    return found


def _course(course: Course, seen: Seen) -> list[Failure]:
    got = [_transition(event) for event in seen.transitions]
    pairs = _aligned([one.facts for one in course.transitions], got)
    if all(expected is not None and facts is not None for expected, facts in pairs):
        return []
    asked = [name for one in course.transitions for name in one.facts]
    keys = dict.fromkeys(["at", "transition", "rule", "source", "severity", *asked])
    diff = []
    for expected, facts in pairs:
        if expected is not None:
            diff.append(f"{' ' if facts is not None else '-'} {_flow(expected)}")
        elif facts is not None:
            diff.append(f"+ {_flow({key: facts[key] for key in keys if facts.get(key) not in (None, '')})}")
    return [Failure(course.line, "transitions differ", tuple(diff))]


def _aligned(expected: Sequence[Facts], got: Sequence[Facts]) -> list[tuple[Facts | None, Facts | None]]:
    """Pair what agrees, in order, with as many pairs as possible; the rest stands alone."""
    longest = [[0] * (len(got) + 1) for _ in range(len(expected) + 1)]
    for row in reversed(range(len(expected))):
        for column in reversed(range(len(got))):
            longest[row][column] = (
                1 + longest[row + 1][column + 1]
                if _agree(expected[row], got[column])
                else max(longest[row + 1][column], longest[row][column + 1])
            )
    pairs: list[tuple[Facts | None, Facts | None]] = []
    row = column = 0
    while row < len(expected) or column < len(got):
        both = row < len(expected) and column < len(got)
        if both and _agree(expected[row], got[column]):
            pairs.append((expected[row], got[column]))
            row, column = row + 1, column + 1
        elif row < len(expected) and (not both or longest[row + 1][column] >= longest[row][column + 1]):
            pairs.append((expected[row], None))
            row += 1
        else:
            pairs.append((None, got[column]))
            column += 1
    return pairs


def _nearest(expected: Facts, got: Iterable[Facts]) -> Facts | None:
    """Return what is about the same rule, and agrees in most."""
    about = [facts for facts in got if "rule" not in expected or facts["rule"] == expected["rule"]]
    return max(about, key=lambda facts: _alike(expected, facts), default=None)


def _alike(expected: Facts, facts: Facts) -> tuple[int, int]:
    same = [key for key, fact in expected.items() if _same(fact, facts[key])]
    return sum(key in _NAMED_BY for key in same), len(same)


def _differences(expected: Facts, facts: Facts) -> tuple[str, ...]:
    lines = []
    for key, fact in expected.items():
        if not _same(fact, facts[key]):
            lines += [f"- {key}: {_shown(key, fact)}", f"+ {key}: {_shown(key, facts[key])}"]
    return tuple(lines)


def _agree(expected: Facts, facts: Facts) -> bool:
    return all(_same(fact, facts[key]) for key, fact in expected.items())


def _same(expected: Fact, fact: Fact) -> bool:
    if isinstance(expected, float) and isinstance(fact, float):
        return math.isclose(expected, fact, rel_tol=1e-6, abs_tol=1e-9)
    return expected == fact


def _told(facts: Facts) -> Facts:
    keys = ("rule", "source", "series", "severity", "stale", "summary")
    return {key: facts[key] for key in keys if facts[key]}


def _alert(alert: Alert) -> Facts:
    return {
        "rule": alert.key.rule,
        "source": alert.key.source,
        "kind": alert.key.kind,
        "group": alert.group,
        "series": alert.key.series,
        "state": "pending" if alert.state is State.PENDING else "firing",
        "stale": alert.stale,
        "severity": alert.severity and alert.severity.value,
        "value": alert.value,
        "threshold": alert.threshold,
        "labels": dict(alert.labels),
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": alert.runbook_url,
    }


def _transition(event: AlertTransition) -> Facts:
    return {
        "at": after_s(event.at),
        "transition": event.transition.value,
        "rule": event.rule,
        "source": event.source,
        "kind": event.kind,
        "group": event.group,
        "series": event.series,
        "severity": event.severity.value,
        "value": event.value,
        "threshold": event.threshold,
        "labels": dict(event.labels),
        "summary": event.summary,
        "description": event.description or "",
        "runbook_url": event.runbook_url or "",
        "resolved_by": event.resolved_by,
    }


def _flow(facts: Facts) -> str:
    """Return facts as a test file writes them, ready to be pasted."""
    return "{" + ", ".join(f"{key}: {_shown(key, fact)}" for key, fact in facts.items()) + "}"


def _shown(key: str, fact: Fact) -> str:
    if key == "at" and isinstance(fact, float):
        return _span(fact)
    if isinstance(fact, float):
        return f"{fact:.10g}"
    if isinstance(fact, str) and _PLAIN.fullmatch(fact):
        return fact
    return json.dumps(fact, ensure_ascii=False)


def _span(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:g}m" if minutes > 1 and not rest else f"{seconds:.10g}s"
