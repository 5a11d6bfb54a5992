"""Rules that are well formed and yet cannot do what somebody meant, as far as that shows without data.

It goes by the names of OpenTelemetry's conventions: `….utilization` is a share from 0 to 1,
`….duration` a histogram of seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from atalaia.events.matching import Condition
from atalaia.events.series import RESERVED_KEYS
from services.alerting.domain.rules import (
    OVER_COUNTERS,
    QUANTILES,
    SOURCE_KEYS,
    Rule,
)

_OF_ONE_VALUE = ("last", "avg", "min", "max")
_LOOKS_LIKE_A_PATTERN = re.compile(r".*(\.[*+]|\[.+\]|\(.+\)|\\[dw]|\|).*|[0-9]\.+")
_ALWAYS = (".*", "(.*)", ".*.*")


def suspicions(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield (field, what is odd about it)."""
    yield from _numbers(rule)
    yield from _functions(rule)
    for field, matchers in (("match", rule.match), ("of", rule.of)):
        for matcher in matchers:
            yield from ((field, said) for said in _condition(matcher))
    for key in sorted(RESERVED_KEYS.intersection(rule.labels)):
        yield "labels", f"`{key}` is what Atalaia itself says of an alert; call yours something else"


def _numbers(rule: Rule) -> Iterator[tuple[str, str]]:
    """What cannot be with values from 0 to 1."""
    what = _share(rule)
    if what is None:
        return
    best, worst = (0.0, 1.0) if rule.op == ">" else (1.0, 0.0)
    fires = False
    for severity, threshold in rule.thresholds:
        percent = f"; {threshold:g} % is {threshold / 100:g}" if 1 < threshold <= 100 else ""
        if not rule.beyond(worst, threshold):
            yield "thresholds", f"`{severity}` never holds: {what} is from 0 to 1{percent}"
        elif rule.beyond(best, threshold):
            yield "thresholds", f"`{severity}` always holds: {what} is from 0 to 1{percent}"
        else:
            fires = True
    if fires and not rule.good(best):
        field = "thresholds" if rule.clear is None else "clear"
        yield field, f"never resolves: {what} is from 0 to 1, and none of it is good again; set `clear`"


def _share(rule: Rule) -> str | None:
    """Return what the value is called, where it is from 0 to 1."""
    if rule.function == "share":
        return "a share"
    if rule.metric.endswith(".utilization") and rule.function in _OF_ONE_VALUE:
        return rule.metric
    return None


def _functions(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.window_s and rule.function in ("last", "absent"):
        yield "window", f"`{rule.function}` looks at no window"
    if rule.metric.endswith(".utilization") and rule.function in (*OVER_COUNTERS, *QUANTILES, "share"):
        needs = "a histogram" if rule.function in QUANTILES else "a counter"
        yield "function", f"`{rule.function}` is of {needs}; {rule.metric} is a gauge"
    if rule.metric.endswith(".duration") and rule.function in (*_OF_ONE_VALUE, "sum", *OVER_COUNTERS):
        better = "`count`" if rule.function in OVER_COUNTERS else "p50 to p99, `count` or `share`"
        yield (
            "function",
            f"`{rule.function}` has no result where {rule.metric} is a histogram; use {better}",
        )
    if rule.function == "absent" and not any(matcher.key in SOURCE_KEYS for matcher in rule.match):
        yield "match", "`absent` fires for every source without the series; say which `kind` should have it"
    if rule.function == "absent" and rule.for_s:
        yield "for", "comes on top of the thresholds of `absent`, which are durations already"


def _condition(matcher: Condition) -> Iterator[str]:
    if matcher.op == "=" and _LOOKS_LIKE_A_PATTERN.fullmatch(matcher.value):
        yield (
            f"{matcher.key}: equals exactly {matcher.value!r}; a pattern is written "
            f'{{"=~": "{matcher.value}"}}'
        )
    never = (matcher.op == "!~" and matcher.value in _ALWAYS) or (
        matcher.key in SOURCE_KEYS and matcher.op in ("=", "=~") and not matcher.value
    )
    if never:
        yield f"{matcher.key}: never matches"
