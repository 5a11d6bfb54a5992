"""The file of a rule test: YAML in, tests out, or every problem with its file, line and field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import yaml

from atalaia.errors import Invalid, Misconfigured
from atalaia.events.alerts import Severity, Transition
from atalaia.events.series import parse
from services.alerting.domain import notation
from services.alerting.domain.located import (
    Node,
    Problems,
    Wrong,
    boolean,
    compose,
    mapping,
    scalar,
    seconds,
    sequence,
)
from services.alerting.domain.rule_tests import (
    EVERY_MS,
    Course,
    Expected,
    Fact,
    Look,
    RuleTest,
    RuleTests,
    Sender,
)

FILE_FIELDS = ("rules", "tests")
TEST_FIELDS = ("name", "only", "every", "sources", "expect", "transitions")
SOURCE_FIELDS = ("source", "kind", "group", "every", "gauges", "counters", "histograms", "leaves")
LONGEST_MS = 7 * 24 * 3600 * 1000
T = TypeVar("T")


def load_rule_tests(text: str, *, file: str) -> RuleTests:
    """Return the tests of a file.

    Raises:
        Misconfigured: one line for each problem, `file:line: field: problem`.
    """
    root = compose(text, file=file)
    problems = Problems(file)
    tests: list[RuleTest] = []
    try:
        top = mapping(root) if root is not None else {}
        problems.unknown(top, FILE_FIELDS)
        rules = _one(top, "rules", _path, problems)
        for node in sequence(top["tests"][1]) if "tests" in top else ():
            tests += _each(node, "tests", _test, problems)
        if not tests and not len(problems):
            raise Misconfigured(f"{file}:1: tests: there are none")
    except Wrong as wrong:
        problems.wrong("tests", wrong)
    problems.raise_if_any()
    return RuleTests(rules, tuple(tests))


def _each(node: Node, name: str, read: Callable[[Node, Problems], T], problems: Problems) -> list[T]:
    try:
        return [read(node, problems)]
    except Wrong as wrong:
        problems.wrong(name, wrong)
        return []


def _test(node: Node, problems: Problems) -> RuleTest:
    fields = mapping(node)
    problems.unknown(fields, TEST_FIELDS)
    line = node.start_mark.line + 1
    name = scalar(fields["name"][1]) if "name" in fields else f"line {line}"
    every_ms = _one(fields, "every", _interval, problems) or EVERY_MS
    senders = [
        sender
        for one in _list(fields, "sources", problems)
        for sender in _each(one, "sources", lambda node, found: _sender(node, every_ms, found), problems)
    ]
    looks = [
        look for one in _list(fields, "expect", problems) for look in _each(one, "expect", _look, problems)
    ]
    course = None
    if "transitions" in fields:
        said = fields["transitions"]
        transitions = [
            expected
            for one in _list(fields, "transitions", problems)
            for expected in _each(
                one, "transitions", lambda node, found: _expected(node, _TRANSITION, found), problems
            )
        ]
        course = Course(said[0].start_mark.line + 1, tuple(transitions))
    for needed, there in (("sources", senders), ("expect", looks or course)):
        if not there and not len(problems):
            problems.note(node, needed, "missing: a test has `sources`, and `expect` or `transitions`")
    _apart(senders, node, problems)
    only = tuple(scalar(one) for one in _list(fields, "only", problems))
    return RuleTest(name, line, tuple(senders), tuple(looks), course, only)


def _apart(senders: Iterable[Sender], node: Node, problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for sender in senders:
        if (sender.kind, sender.source) in seen:
            problems.note(node, "sources", f"{sender.kind} {sender.source!r} is there twice")
        seen.add((sender.kind, sender.source))


def _sender(node: Node, every_ms: int, problems: Problems) -> Sender:
    fields = mapping(node)
    problems.unknown(fields, SOURCE_FIELDS)
    if "source" not in fields:
        raise Wrong(node, "`source` is missing: what is it called?")
    names: dict[str, str] = {}
    for key in ("source", "kind", "group"):
        if key in fields and (name := _one(fields, key, _name, problems)) is not None:
            names[key] = name
    gauges = _columns(fields, "gauges", notation.values, problems)
    counters = _columns(fields, "counters", notation.values, problems)
    histograms = _columns(fields, "histograms", notation.durations, problems)
    if not gauges and not counters and not histograms and not len(problems):
        raise Wrong(node, "has no series; write some under `gauges`, `counters` or `histograms`")
    every_ms = _one(fields, "every", _interval, problems) or every_ms
    steps = [len(column) for column in (*gauges.values(), *counters.values())]
    steps += [len(column) for column in histograms.values()]
    if every_ms * max(steps, default=0) > LONGEST_MS:
        raise Wrong(node, "sends for longer than 7d, and a test lasts that at most")
    return Sender(
        names.get("source", "?"),
        names.get("kind", "host"),
        names.get("group", ""),
        every_ms,
        gauges,
        counters,
        histograms,
        _one(fields, "leaves", _milliseconds, problems),
    )


def _columns(
    fields: Mapping[str, tuple[Node, Node]], name: str, read: Callable[[str], list[T]], problems: Problems
) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    if name not in fields:
        return found
    try:
        for series, (key, value) in mapping(fields[name][1]).items():
            try:
                parse(series)
                found[series] = read(scalar(value))
            except Invalid as error:
                problems.note(key, name, str(error) if error.field else f"{series}: {error}")
    except Wrong as wrong:
        problems.wrong(name, wrong)
    return found


def _look(node: Node, problems: Problems) -> Look:
    fields = mapping(node)
    problems.unknown(fields, ("at", "alerts"))
    for needed in ("at", "alerts"):
        if needed not in fields:
            raise Wrong(node, f"`{needed}` is missing: what is expected, as in {{at: 90s, alerts: []}}")
    alerts = [
        expected
        for one in _list(fields, "alerts", problems)
        for expected in _each(one, "alerts", lambda node, found: _expected(node, _ALERT, found), problems)
    ]
    return Look(node.start_mark.line + 1, _milliseconds(fields["at"][1]), tuple(alerts))


def _expected(node: Node, known: Mapping[str, Callable[[Node], Fact]], problems: Problems) -> Expected:
    fields = mapping(node)
    problems.unknown(fields, known)
    facts = {}
    for name, read in known.items():
        if name in fields and (fact := _one(fields, name, read, problems)) is not None:
            facts[name] = fact
    if not facts and not len(problems):
        raise Wrong(node, "expects nothing in particular; name a rule at least")
    return Expected(node.start_mark.line + 1, facts)


def _one(
    fields: Mapping[str, tuple[Node, Node]], name: str, read: Callable[[Node], T], problems: Problems
) -> T | None:
    if name not in fields:
        return None
    try:
        return read(fields[name][1])
    except Wrong as wrong:
        problems.wrong(name, wrong)
        return None


def _list(fields: Mapping[str, tuple[Node, Node]], name: str, problems: Problems) -> list[Node]:
    return (_one(fields, name, sequence, problems) or []) if name in fields else []


def _path(node: Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise Wrong(node, "is the path of a rules file, from this file's folder")
    return scalar(node)


def _name(node: Node) -> str:
    if not 0 < len(scalar(node)) <= 1024:
        raise Wrong(node, "is empty, or longer than 1024 characters")
    return scalar(node)


def _milliseconds(node: Node) -> int:
    milliseconds = seconds(node) * 1000
    if milliseconds > LONGEST_MS:
        raise Wrong(node, "a test lasts 7d at most")
    return round(milliseconds)


def _interval(node: Node) -> int:
    if _milliseconds(node) < 1:
        raise Wrong(node, "is at least 1ms")
    return _milliseconds(node)


def _choice(*allowed: str) -> Callable[[Node], Fact]:
    def read(node: Node) -> Fact:
        if scalar(node) not in allowed:
            raise Wrong(node, f"{scalar(node)!r} is none of {', '.join(allowed)}")
        return scalar(node)

    return read


def _float(node: Node) -> Fact:
    try:
        return float(scalar(node))
    except ValueError:
        raise Wrong(node, f"{scalar(node)!r} is not a number") from None


def _labels(node: Node) -> Fact:
    return {key: scalar(value) for key, (_, value) in mapping(node).items()}


_ABOUT: dict[str, Callable[[Node], Fact]] = {
    "rule": scalar,
    "source": scalar,
    "kind": scalar,
    "group": scalar,
    "series": scalar,
    "severity": _choice(*Severity),
    "value": _float,
    "threshold": _float,
    "labels": _labels,
    "summary": scalar,
    "description": scalar,
    "runbook_url": scalar,
}
_ALERT = {"state": _choice("pending", "firing"), "stale": boolean, **_ABOUT}
_TRANSITION = {
    "at": lambda node: _milliseconds(node) / 1000,
    "transition": _choice(*Transition),
    **_ABOUT,
    "resolved_by": scalar,
}
