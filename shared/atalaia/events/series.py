"""How a series is spelt: `name{key="value",…}`, keys sorted, only what must be escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from atalaia.errors import Invalid

RESERVED_KEYS = frozenset({"source", "kind", "group", "rule", "severity", "series", "alertname"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_.-]*)="((?:[^"\\\n\x00]|\\[\\"n])*)"')  # no store keeps NUL
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\0": "\N{REPLACEMENT CHARACTER}"}
_UNESCAPE = re.compile(r"\\(.)")


def spell(name: str, labels: Mapping[str, str]) -> str:
    """Return the one spelling of a series; NUL, which no store keeps, becomes the replacement character.

    Raises:
        Invalid: a key is reserved, or a name or key is not spelt as one.
    """
    if not labels:
        parse(name)
        return name
    inside = ",".join(f'{key}="{_escaped(labels[key])}"' for key in sorted(labels))
    series = f"{name}{{{inside}}}"
    parse(series)
    return series


@lru_cache(maxsize=65536)
def parse(series: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return (metric name, ((key, value), …)) of a series in its one spelling.

    Raises:
        Invalid: spelt otherwise; says how.
    """
    name, brace, rest = series.partition("{")
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} is not a metric name", field=series)
    if not brace:
        return name, ()
    if not rest.endswith("}") or rest == "}":
        raise Invalid(f'{series!r}: labels are {{key="value",…}}, never empty', field=series)
    labels = _labels(series, rest[:-1])
    keys = [key for key, _ in labels]
    if keys != sorted(set(keys)):
        raise Invalid(f"{series!r}: keys must be sorted and distinct", field=series)
    if taken := RESERVED_KEYS.intersection(keys):
        raise Invalid(f"{series!r}: {', '.join(sorted(taken))} is reserved", field=series)
    return name, labels


def _labels(series: str, inside: str) -> tuple[tuple[str, str], ...]:
    labels, at = [], 0
    while True:
        match = _LABEL.match(inside, at)
        if match is None:
            raise Invalid(f"{series!r}: not a label at {inside[at : at + 20]!r}", field=series)
        labels.append((match[1], _UNESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], match[2])))
        at = match.end()
        if at == len(inside):
            return tuple(labels)
        if inside[at] != ",":
            raise Invalid(f"{series!r}: expected a comma at {inside[at : at + 20]!r}", field=series)
        at += 1


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in value)
