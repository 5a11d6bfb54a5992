"""Conditions on labels: what rules, routes and silences go by.

Patterns are RE2's, which takes time in proportion to the text whatever the pattern is: no
pattern that somebody writes can hold up whoever looks at labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import re2

from atalaia.errors import Invalid
from atalaia.events.alerts import Severity
from atalaia.events.series import parse

Op = Literal["=", "!=", "=~", "!~"]
Spelt = Mapping[str, "str | Mapping[str, str]"]
OPS = ("=", "!=", "=~", "!~")
VALUE_AT_MOST = 500
# labels that every alert has: what matches any value of theirs matches everything
ALWAYS = frozenset({"alertname", "rule", "source", "kind", "group", "series"})
_UNLIKELY = ("\x01", "no alert has this \x02 value")
_SILENT = re2.Options()
_SILENT.log_errors = False
Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a label; patterns are anchored. An absent label is the empty text."""

    key: str
    op: Op
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        return self.test()(labels.get(self.key, ""))

    def test(self) -> Test:
        """Return what says whether it holds for the label's value."""
        wanted = self.value
        match self.op:
            case "=":
                return lambda text: text == wanted
            case "!=":
                return lambda text: text != wanted
            case "=~":
                return _pattern(wanted)
            case "!~":
                matches = _pattern(wanted)
                return lambda text: not matches(text)


Conditions = tuple[Condition, ...]


def conditions(spelt: Spelt) -> Conditions:
    """Return the conditions of `{label: value}` or `{label: {"!=" | "=~" | "!~": value}}`.

    Raises:
        Invalid: `field` is the label that is wrong.
    """
    return tuple(condition(key, said) for key, said in spelt.items())


def spelt(given: Conditions) -> dict[str, str | dict[str, str]]:
    """Return conditions as people write them; the reverse of `conditions`."""
    return {one.key: one.value if one.op == "=" else {one.op: one.value} for one in given}


def hold(given: Iterable[Condition], labels: Mapping[str, str]) -> bool:
    return all(condition.holds(labels) for condition in given)


def match_everything(given: Conditions) -> bool:
    """Return whether no alert could escape these conditions."""
    return all(_always_holds(condition) for condition in given)


def alert_labels(
    *, rule: str, source: str, kind: str, group: str, severity: str, series: str, labels: Mapping[str, str]
) -> dict[str, str]:
    """Return what conditions see: the rule's labels, the series' own, and the alert's, which win."""
    return {
        **labels,
        **dict(parse(series)[1]),
        "alertname": rule,
        "rule": rule,
        "source": source,
        "kind": kind,
        "group": group,
        "severity": severity,
        "series": series,
    }


def condition(key: str, said: str | Mapping[str, str]) -> Condition:
    """Return one of `conditions`. Raises `Invalid` as they do."""
    op, value = ("=", said) if isinstance(said, str) else _single(key, said)
    if op not in OPS:
        raise Invalid(f"{op!r} is none of {', '.join(OPS)}", field=key)
    if len(value) > VALUE_AT_MOST:
        raise Invalid(f"a value has at most {VALUE_AT_MOST} characters", field=key)
    if op in ("=~", "!~"):
        try:
            _pattern(value)
        except re2.error as error:
            said_so = error.args[0].decode(errors="replace")
            raise Invalid(f"{value!r} is no regular expression of RE2's: {said_so}", field=key) from None
    return Condition(key, cast(Op, op), value)


def _single(key: str, said: Mapping[str, str]) -> tuple[str, str]:
    if len(said) != 1:
        raise Invalid('one condition each, as in {"=~": "web-.*"}', field=key)
    return next(iter(said.items()))


def _always_holds(condition: Condition) -> bool:
    if condition.key == "severity":
        probes: tuple[str, ...] = tuple(Severity)
    elif condition.op in ("!=", "!~"):  # what it names may be there
        return condition.key in ALWAYS and condition.value == ""
    elif condition.key in ALWAYS:
        probes = _UNLIKELY
    else:
        probes = ("", *_UNLIKELY)
    return all(condition.holds({condition.key: probe}) for probe in probes)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> Test:
    fullmatch = re2.compile(_bytes(text), _SILENT).fullmatch
    return lambda text: fullmatch(_bytes(text)) is not None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # half a character is no error
