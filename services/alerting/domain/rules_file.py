"""The rules file: YAML in, rules out, or every problem with its file, line and field."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple, cast

import yaml

from atalaia.errors import Invalid, Misconfigured
from atalaia.events.alerts import Severity
from atalaia.events.series import RESERVED_KEYS, parse, spell
from services.alerting.domain.rules import (
    FUNCTIONS,
    OVER_COUNTERS,
    QUANTILES,
    SOURCE_KEYS,
    Matcher,
    Matchers,
    Op,
    Rule,
    Rules,
)
from services.alerting.domain.summary import Told, told

FIELDS = (
    "name", "metric", "match", "by", "function", "window", "of", "op", "thresholds", "clear", "for",
    "keep_firing_for", "stale_after", "labels", "summary", "description", "runbook_url", "enabled",
)  # fmt: skip
WINDOW_MOST_S = 3600.0
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MATCHES: dict[str, Literal["!=", "=~", "!~"]] = {"!=": "!=", "=~": "=~", "!~": "!~"}
Node = yaml.Node


class _Wrong(Exception):
    def __init__(self, node: Node, problem: str) -> None:
        super().__init__(problem)
        self.line = node.start_mark.line + 1
        self.problem = problem


class _Problem(NamedTuple):
    line: int
    field: str
    problem: str


def load_rules(text: str, *, file: str, base: Rules | None = None) -> Rules:
    """Return the rules of a file, on top of `base`: a rule of the same name overrides single fields.

    Raises:
        Misconfigured: one line for each problem, `file:line: field: problem`.
    """
    problems: list[_Problem] = []
    rules = {rule.name: rule for rule in base or ()}
    seen: set[str] = set()
    for entry in _entries(text, file, problems):
        rule = _rule(entry, rules, seen, problems)
        if rule is not None:
            seen.add(rule.name)
            rules[rule.name] = rule
            if not _enabled(entry):
                del rules[rule.name]
    if problems:
        raise Misconfigured(
            "\n".join(f"{file}:{line}: {field}: {text}" for line, field, text in sorted(problems))
        )
    return Rules(rules.values())


def _entries(text: str, file: str, problems: list[_Problem]) -> list[yaml.MappingNode]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misconfigured(f"{file}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise Misconfigured(f"{file}:1: not YAML: {error}") from error
    if root is None:
        return []
    try:
        top = _mapping(root)
        for name, (key, _) in top.items():
            if name != "rules":
                problems.append(_Problem(key.start_mark.line + 1, name, "unknown; the file holds `rules:`"))
        if "rules" not in top or _is_null(top["rules"][1]):
            return []
        return [_as_mapping(node) for node in _sequence(top["rules"][1])]
    except _Wrong as wrong:
        problems.append(_Problem(wrong.line, "rules", wrong.problem))
        return []


def _rule(
    entry: yaml.MappingNode, base: dict[str, Rule], seen: set[str], problems: list[_Problem]
) -> Rule | None:
    try:
        fields = _mapping(entry)
    except _Wrong as wrong:
        problems.append(_Problem(wrong.line, "rule", wrong.problem))
        return None
    before = len(problems)

    def note(node: Node, field: str, problem: str) -> None:
        problems.append(_Problem(node.start_mark.line + 1, field, problem))

    for name, (key, _) in fields.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            note(key, name, "unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))
    if "name" not in fields:
        note(entry, "name", "missing")
        return None
    name = _scalar(fields["name"][1])
    if not name or name in seen:
        note(fields["name"][1], "name", f"{name!r} is there already" if name else "is empty")
        return None
    rule = base.get(name)
    if rule is None:
        for needed in ("metric", "thresholds"):
            if needed not in fields:
                note(entry, needed, f"missing in rule {name!r}")
        rule = Rule(name, "", (), for_s=0.0 if _is_absent(fields) else 60.0)
    for field, parser in _PARSERS.items():
        if field in fields:
            try:
                rule = parser(rule, fields[field][1])
            except _Wrong as wrong:
                problems.append(_Problem(wrong.line, field, wrong.problem))
    if len(problems) > before:
        return None
    for field, problem in _contradictions(rule):
        note(fields[field][1] if field in fields else entry, field, problem)
    return rule if len(problems) == before else None


def _is_absent(fields: dict[str, tuple[Node, Node]]) -> bool:
    """The thresholds of `absent` are durations already."""
    return "function" in fields and _scalar(fields["function"][1]) == "absent"


def _contradictions(rule: Rule) -> list[tuple[str, str]]:
    found = []
    if rule.function not in ("last", "absent") and not rule.window_s:
        found.append(("window", f"`{rule.function}` looks at a window; say how long, as in `window: 60s`"))
    if (rule.function == "share") != bool(rule.of):
        found.append(("of", "goes with `function: share`, and is needed there"))
    if rule.by == "group" and rule.function not in (*QUANTILES, *OVER_COUNTERS, "share", "count"):
        found.append(
            ("function", f"`{rule.function}` cannot merge a group; histograms and counters can be merged")
        )
    if rule.by_labels and rule.function not in (*QUANTILES, *OVER_COUNTERS, "share", "count"):
        found.append(("by", f"`{rule.function}` cannot merge series; histograms and counters can be merged"))
    if rule.function == "absent" and rule.op == "<":
        found.append(("op", "`absent` counts seconds without the series; they can only be too many"))
    values = [threshold for _, threshold in rule.thresholds]
    if values != sorted(values, reverse=rule.op == "<") or len(set(values)) != len(values):
        found.append(("thresholds", "must get further away from warning to critical"))
    elif rule.clear is not None and rule.beyond(rule.clear, values[0]):
        found.append(("clear", f"{rule.clear:g} is itself bad by the lowest threshold {values[0]:g}"))
    try:
        example = Told("s", "k", "g", spell(rule.metric, {"x": ""}), rule.thresholds[0][0], 0.5, _SOME_TIME)
        for field in ("summary", "description", "runbook_url"):
            told(getattr(rule, field), rule, example)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        found.append((field, f"not a template: {error}"))
    return found


def _metric(rule: Rule, node: Node) -> Rule:
    name = _scalar(node)
    try:
        labels = parse(name)[1]
    except Invalid as error:
        raise _Wrong(node, str(error)) from error
    if labels:
        raise _Wrong(node, "is a metric's name; labels go into `match`")
    return replace(rule, metric=name)


def _matchers(node: Node) -> Matchers:
    if _is_null(node):
        return ()
    return tuple(_matcher(key, value) for key, (_, value) in _mapping(node).items())


def _matcher(key: str, node: Node) -> Matcher:
    if key in RESERVED_KEYS - set(SOURCE_KEYS):
        raise _Wrong(node, f"{key!r} is reserved; series do not have it")
    if isinstance(node, yaml.ScalarNode):
        return Matcher(key, "=", node.value)
    conditions = _mapping(node)
    if len(conditions) != 1:
        raise _Wrong(node, f'{key}: one condition each, as in {{"=~": "5.."}}')
    ((op, (_, value)),) = conditions.items()
    if op not in _MATCHES:
        raise _Wrong(node, f"{key}: {op!r} is none of !=, =~, !~")
    text = _scalar(value)
    if op in ("=~", "!~"):
        try:
            re.compile(text)
        except re.error as error:
            raise _Wrong(value, f"{key}: {text!r} is no regular expression: {error}") from error
    return Matcher(key, _MATCHES[op], text)


def _of(rule: Rule, node: Node) -> Rule:
    matchers = _matchers(node)
    if any(matcher.key in SOURCE_KEYS for matcher in matchers):
        raise _Wrong(node, "looks at labels, not at kind, group or source")
    return replace(rule, of=matchers)


def _thresholds(rule: Rule, node: Node) -> Rule:
    found = {}
    for name, (key, value) in _mapping(node).items():
        if name not in list(Severity):
            raise _Wrong(key, f"{name!r} is none of {', '.join(Severity)}")
        if not _is_null(value):
            found[Severity(name)] = _number(value)
    if not found:
        raise _Wrong(node, f"needs one of {', '.join(Severity)}")
    return replace(rule, thresholds=tuple(sorted(found.items(), key=lambda pair: pair[0].rank)))


def _window(rule: Rule, node: Node) -> Rule:
    window_s = 0.0 if _is_null(node) else _seconds(node)
    if window_s > WINDOW_MOST_S:
        raise _Wrong(node, "at most 1h")
    return replace(rule, window_s=window_s)


def _choice(field: str, allowed: tuple[str, ...]) -> Callable[[Rule, Node], Rule]:
    def choose(rule: Rule, node: Node) -> Rule:
        value = _scalar(node)
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise _Wrong(node, f"{value!r} is none of {', '.join(allowed)}{hint}")
        if field == "op":
            return replace(rule, op=cast(Op, value))
        return replace(rule, function=value)

    return choose


def _by(rule: Rule, node: Node) -> Rule:
    """`source` or `group`; in a list, labels may follow: series that agree in them are judged as one."""
    parts = [node] if isinstance(node, yaml.ScalarNode) else _sequence(node)
    if not parts or _scalar(parts[0]) not in ("source", "group"):
        raise _Wrong(node, "is `source`, `group`, or a list that begins so and goes on with labels")
    labels = tuple(_scalar(part) for part in parts[1:])
    if taken := RESERVED_KEYS.intersection(labels):
        raise _Wrong(node, f"{', '.join(sorted(taken))} is reserved; series do not have it")
    return replace(rule, by=cast(Literal["source", "group"], _scalar(parts[0])), by_labels=labels)


def _labels(rule: Rule, node: Node) -> Rule:
    if _is_null(node):
        return replace(rule, labels={})
    return replace(rule, labels={key: _scalar(value) for key, (_, value) in _mapping(node).items()})


def _enabled(entry: yaml.MappingNode) -> bool:
    node = _mapping(entry).get("enabled")
    return node is None or _scalar(node[1]).lower() not in ("false", "no", "off")


_PARSERS: dict[str, Callable[[Rule, Node], Rule]] = {
    "metric": _metric,
    "match": lambda rule, node: replace(rule, match=_matchers(node)),
    "by": _by,
    "function": _choice("function", FUNCTIONS),
    "window": _window,
    "of": _of,
    "op": _choice("op", (">", "<")),
    "thresholds": _thresholds,
    "clear": lambda rule, node: replace(rule, clear=None if _is_null(node) else _number(node)),
    "for": lambda rule, node: replace(rule, for_s=_seconds(node)),
    "keep_firing_for": lambda rule, node: replace(rule, keep_firing_s=_seconds(node)),
    "stale_after": lambda rule, node: replace(rule, stale_after_s=None if _is_null(node) else _seconds(node)),
    "labels": _labels,
    "summary": lambda rule, node: replace(rule, summary=_scalar(node)),
    "description": lambda rule, node: replace(rule, description=_scalar(node)),
    "runbook_url": lambda rule, node: replace(rule, runbook_url=_scalar(node)),
}


def _mapping(node: Node) -> dict[str, tuple[Node, Node]]:
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in _as_mapping(node).value:
        name = _scalar(key)
        if name in found:
            raise _Wrong(key, f"{name!r} is there twice")
        found[name] = (key, value)
    return found


def _as_mapping(node: Node) -> yaml.MappingNode:
    if not isinstance(node, yaml.MappingNode):
        raise _Wrong(node, "must be a mapping of fields")
    return node


def _sequence(node: Node) -> list[Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise _Wrong(node, "must be a list")
    return list(node.value)


def _scalar(node: Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _Wrong(node, "must be a single value")
    return str(node.value)


def _is_null(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _number(node: Node) -> float:
    text = _scalar(node)
    try:
        value = float(text)
    except ValueError:
        raise _Wrong(node, f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise _Wrong(node, f"{text!r} is not finite")
    return value


def _seconds(node: Node) -> float:
    text = _scalar(node)
    match = _DURATION.fullmatch(text)
    if match is not None:
        return float(match[1]) * _UNITS_S[match[2]]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0 or not math.isfinite(value):
        raise _Wrong(node, f"{text!r} is not a duration; write 60s, 5m or 1h")
    return value
