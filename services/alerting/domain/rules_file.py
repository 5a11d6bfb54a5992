"""The rules file: YAML in, rules out, or every problem with its file, line and field."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, TypeVar, cast

import yaml

from atalaia.errors import Invalid
from atalaia.events.alerts import Severity
from atalaia.events.matching import Condition, Conditions, condition
from atalaia.events.series import RESERVED_KEYS, parse, spell
from services.alerting.domain.fields import FIELDS, NUMBER
from services.alerting.domain.located import (
    Node,
    Problems,
    Wrong,
    boolean,
    compose,
    is_null,
    mapping,
    scalar,
    seconds,
    sequence,
)
from services.alerting.domain.rules import (
    FUNCTIONS,
    OVER_COUNTERS,
    QUANTILES,
    SOURCE_KEYS,
    Op,
    Rule,
    Rules,
)
from services.alerting.domain.summary import Told, told

WINDOW_MOST_S = 3600.0
_NAMES = tuple(field.name for field in FIELDS)
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
Fields = Mapping[str, tuple[Node, Node]]
T = TypeVar("T")


def load_rules(text: str, *, file: str, base: Rules | None = None) -> Rules:
    """Return the rules of a file, on top of `base`: a rule of the same name overrides single fields.

    Raises:
        Misconfigured: one line for each problem, `file:line: field: problem`.
    """
    problems = Problems(file)
    rules = {rule.name: rule for rule in base or ()}
    seen: set[str] = set()
    for entry, fields in _entries(compose(text, file=file), problems):
        rule = _rule(entry, fields, rules, seen, problems)
        if rule is not None:
            seen.add(rule.name)
            rules[rule.name] = rule
            if "enabled" in fields and not boolean(fields["enabled"][1]):
                del rules[rule.name]
    problems.raise_if_any()
    return Rules(rules.values())


def places(text: str, *, file: str) -> dict[str, dict[str, int]]:
    """Return where the fields of each rule are in a file that `load_rules` takes; "" is the rule itself."""
    found: dict[str, dict[str, int]] = {}
    for _, fields in _entries(compose(text, file=file), Problems(file)):
        lines = {name: key.start_mark.line + 1 for name, (key, _) in fields.items()}
        found[scalar(fields["name"][1])] = {"": lines["name"], **lines}
    return found


def _entries(root: Node | None, problems: Problems) -> list[tuple[Node, Fields]]:
    if root is None or is_null(root):
        return []
    try:
        top = mapping(root)
        for name, (key, _) in top.items():
            if name != "rules":
                problems.note(key, name, "unknown; the file holds `rules:`")
        listed = sequence(top["rules"][1]) if "rules" in top else []
    except Wrong as wrong:
        problems.wrong("rules", wrong)
        return []
    found: list[tuple[Node, Fields]] = []
    for node in listed:
        try:
            found.append((node, mapping(node)))
        except Wrong as wrong:
            problems.wrong("rules", wrong)
    return found


def _rule(
    entry: Node, fields: Fields, base: dict[str, Rule], seen: set[str], problems: Problems
) -> Rule | None:
    before = len(problems)
    problems.unknown(dict(fields), _NAMES)
    if "name" not in fields:
        problems.note(entry, "name", "missing")
        return None
    rule = _begun(fields, base, seen, problems)
    if rule is None:
        return None
    for field, parser in _PARSERS.items():
        if field in fields:
            try:
                rule = parser(rule, fields[field][1])
            except* Wrong as wrongs:
                for wrong in wrongs.exceptions:
                    assert isinstance(wrong, Wrong)
                    problems.wrong(field, wrong)
    if len(problems) > before:
        return None
    for field, problem in _contradictions(rule):
        problems.note(fields[field][1] if field in fields else entry, field, problem)
    return rule if len(problems) == before else None


def _begun(fields: Fields, base: dict[str, Rule], seen: set[str], problems: Problems) -> Rule | None:
    """Return the rule that the fields change: one of `base`, or a new one."""
    node = fields["name"][1]
    try:
        name = _text(node)
        absent = "function" in fields and scalar(fields["function"][1]) == "absent"
    except Wrong as wrong:
        problems.wrong("name" if wrong.line == node.start_mark.line + 1 else "function", wrong)
        return None
    if not name or name in seen:
        problems.note(node, "name", f"{name!r} is there already" if name else "is empty")
        return None
    if name in base:
        return base[name]
    missing = [needed for needed in ("metric", "thresholds") if needed not in fields]
    near = difflib.get_close_matches(name, base, n=1, cutoff=0.8) if missing else []
    hint = f"; did you mean the rule {near[0]!r}?" if near else ""
    for needed in missing:
        problems.note(node, needed, f"missing in rule {name!r}{hint}")
    # the thresholds of `absent` are durations already
    return Rule(name, "", (), for_s=0.0 if absent else 60.0)


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
        example = Told(
            rule, "s", "k", "g", spell(rule.metric, {"x": ""}), rule.thresholds[0][0], 0.5, _SOME_TIME
        )
        for field in ("summary", "description", "runbook_url"):
            told(getattr(rule, field), example)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        found.append((field, f"not a template: {error}"))
    return found


def _metric(rule: Rule, node: Node) -> Rule:
    name = _text(node)
    try:
        labels = parse(name)[1]
    except Invalid as error:
        raise Wrong(node, str(error)) from error
    if labels:
        raise Wrong(node, "is a metric's name; labels go into `match`")
    return replace(rule, metric=name)


def _matchers(node: Node) -> Conditions:
    if is_null(node):
        return ()
    return tuple(_each(mapping(node), lambda key, _, value: _matcher(key, value)))


def _matcher(key: str, node: Node) -> Condition:
    if key in RESERVED_KEYS - set(SOURCE_KEYS):
        raise Wrong(node, f"{key!r} is reserved; series do not have it")
    if isinstance(node, yaml.ScalarNode):
        return condition(key, _label(key, node))
    said = {op: _label(key, value) for op, (_, value) in mapping(node).items()}
    try:
        return condition(key, said)
    except Invalid as error:
        raise Wrong(node, f"{key}: {error}") from error


def _of(rule: Rule, node: Node) -> Rule:
    matchers = _matchers(node)
    if any(matcher.key in SOURCE_KEYS for matcher in matchers):
        raise Wrong(node, "looks at labels, not at kind, group or source")
    return replace(rule, of=matchers)


def _thresholds(rule: Rule, node: Node) -> Rule:
    found = dict(one for one in _each(mapping(node), _threshold) if one is not None)
    if not found:
        raise Wrong(node, f"needs one of {', '.join(Severity)}")
    return replace(rule, thresholds=tuple(sorted(found.items(), key=lambda pair: pair[0].rank)))


def _threshold(name: str, key: Node, value: Node) -> tuple[Severity, float] | None:
    if name not in list(Severity):
        raise Wrong(key, f"{name!r} is none of {', '.join(Severity)}")
    return None if is_null(value) else (Severity(name), _number(value))


def _window(rule: Rule, node: Node) -> Rule:
    window_s = 0.0 if is_null(node) else seconds(node)
    if window_s > WINDOW_MOST_S:
        raise Wrong(node, "at most 1h")
    return replace(rule, window_s=window_s)


def _choice(field: str, allowed: tuple[str, ...]) -> Callable[[Rule, Node], Rule]:
    def choose(rule: Rule, node: Node) -> Rule:
        value = scalar(node)
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise Wrong(node, f"{value!r} is none of {', '.join(allowed)}{hint}")
        if field == "op":
            return replace(rule, op=cast(Op, value))
        return replace(rule, function=value)

    return choose


def _by(rule: Rule, node: Node) -> Rule:
    """`source` or `group`; in a list, labels may follow: series that agree in them are judged as one."""
    parts = [node] if isinstance(node, yaml.ScalarNode) else sequence(node)
    if not parts or scalar(parts[0]) not in ("source", "group"):
        raise Wrong(node, "is `source`, `group`, or a list that begins so and goes on with labels")
    labels = tuple(_label("a label", part) for part in parts[1:])
    if taken := RESERVED_KEYS.intersection(labels):
        raise Wrong(node, f"{', '.join(sorted(taken))} is reserved; series do not have it")
    return replace(rule, by=cast(Literal["source", "group"], scalar(parts[0])), by_labels=labels)


def _labels(rule: Rule, node: Node) -> Rule:
    if is_null(node):
        return replace(rule, labels={})
    return replace(rule, labels=dict(_each(mapping(node), lambda key, _, value: (key, _label(key, value)))))


def _switch(rule: Rule, node: Node) -> Rule:
    boolean(node)  # whether it is one; a rule that is off is taken out once all of it was checked
    return rule


_PARSERS: dict[str, Callable[[Rule, Node], Rule]] = {
    "metric": _metric,
    "match": lambda rule, node: replace(rule, match=_matchers(node)),
    "by": _by,
    "function": _choice("function", FUNCTIONS),
    "window": _window,
    "of": _of,
    "op": _choice("op", (">", "<")),
    "thresholds": _thresholds,
    "clear": lambda rule, node: replace(rule, clear=None if is_null(node) else _number(node)),
    "for": lambda rule, node: replace(rule, for_s=seconds(node)),
    "keep_firing_for": lambda rule, node: replace(rule, keep_firing_s=seconds(node)),
    "stale_after": lambda rule, node: replace(rule, stale_after_s=None if is_null(node) else seconds(node)),
    "labels": _labels,
    "summary": lambda rule, node: replace(rule, summary=_text(node)),
    "description": lambda rule, node: replace(rule, description=_text(node)),
    "runbook_url": lambda rule, node: replace(rule, runbook_url=_text(node)),
    "enabled": _switch,
}


def _each(fields: Fields, read: Callable[[str, Node, Node], T]) -> Iterable[T]:
    """Return what is read of each; raise what is wrong with all of them at once."""
    found, wrongs = [], []
    for name, (key, value) in fields.items():
        try:
            found.append(read(name, key, value))
        except Wrong as wrong:
            wrongs.append(wrong)
    if wrongs:
        raise ExceptionGroup("several", wrongs)
    return found


def _text(node: Node) -> str:
    if node.tag != "tag:yaml.org,2002:str":
        raise Wrong(node, f'must be text; write it in quotes: "{scalar(node)}"')
    return scalar(node)


def _label(key: str, node: Node) -> str:
    if is_null(node):
        raise Wrong(node, f'{key}: is nothing; the empty text is written ""')
    return scalar(node)


def _number(node: Node) -> float:
    text = scalar(node)
    if not NUMBER.fullmatch(text):
        raise Wrong(node, f"{text!r} is not a number")
    if not math.isfinite(float(text)):
        raise Wrong(node, f"{text!r} is not finite")
    return float(text)
