"""The fields of a rule, in one table: the file's parser, the JSON Schema and docs/rules.md agree by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, Union

from atalaia.events.alerts import Severity
from atalaia.events.series import RESERVED_KEYS
from services.alerting.domain.rules import FUNCTIONS, SOURCE_KEYS

Json: TypeAlias = Union[bool, float, str, "list[Json]", "dict[str, Json]", None]
Schema: TypeAlias = "dict[str, Json]"

NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TEXT: Schema = {"type": "string"}
_VALUE: Schema = {"type": ["string", "number", "boolean"]}
_NULL: Schema = {"type": "null"}
# YAML reads 1e3 as text, and so it may be
_NUMBER: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{NUMBER.pattern}$"}]}
_DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {
            "type": "string",
            "pattern": rf"^([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)|\+?{NUMBER.pattern.removeprefix('[-+]?')})$",
        },
    ]
}
_LABEL: Schema = {**_VALUE, "not": {"enum": [*sorted(RESERVED_KEYS)]}}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, _NULL]}


def _matchers(reserved: Iterable[str]) -> Schema:
    condition: Schema = {
        "type": "object",
        "properties": {"!=": _VALUE, "=~": _VALUE, "!~": _VALUE},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return _or_null(
        {
            "type": "object",
            "propertyNames": {"not": {"enum": [*sorted(reserved)]}},
            "additionalProperties": {"anyOf": [_VALUE, condition]},
        }
    )


def _some(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": _NULL}}}


_THRESHOLDS: Schema = {
    "type": "object",
    "properties": {severity.value: _or_null(_NUMBER) for severity in Severity},
    "additionalProperties": False,
    "anyOf": [_some(severity.value) for severity in Severity],
}


@dataclass(frozen=True, slots=True)
class Field:
    """`form`: how it is written, for people; `default`: what holds where it is left out."""

    name: str
    form: str
    default: str
    meaning: str
    schema: Mapping[str, Json]

    @property
    def said(self) -> str:
        return f"{self.meaning} ({self.form}; default: {self.default})".replace("\\|", "|")


FIELDS = (
    Field(
        "name",
        "text",
        "required",
        "what the rule is called; the name of a stock rule changes that rule, field by field",
        {**_TEXT, "minLength": 1},
    ),
    Field(
        "metric",
        "a metric's name",
        "required",
        "whose series are judged; labels go into `match`",
        {**_TEXT, "pattern": r"^[A-Za-z_][A-Za-z0-9_.:-]*$"},
    ),
    Field(
        "match",
        "conditions",
        "every series",
        'which series: `label: value`, or `label: {"!=" or "=~" or "!~": value}`; '
        "also `kind`, `group`, `source`. Patterns are RE2's, anchored",
        _matchers(RESERVED_KEYS - set(SOURCE_KEYS)),
    ),
    Field(
        "by",
        "`source`, `group`, or a list of one of them and labels",
        "`source`",
        "what has an alert of its own: each series of a source; all of a group merged; "
        "or, in a list, what has the same values of these labels",
        {
            "anyOf": [
                {"enum": ["source", "group"]},
                {
                    "type": "array",
                    "minItems": 1,
                    "items": [{"enum": ["source", "group"]}],
                    "additionalItems": _LABEL,
                },
            ]
        },
    ),
    Field(
        "function",
        "one of the functions",
        "`last`",
        "what is made of the series before it is compared",
        {"enum": [*FUNCTIONS]},
    ),
    Field(
        "window",
        "duration, at most `1h`",
        "none",
        "how far back the function looks; every function but `last` and `absent` needs one",
        _or_null({"allOf": [_DURATION, {"if": {"type": "number"}, "then": {"maximum": 3600}}]}),
    ),
    Field(
        "of",
        "conditions on labels",
        "none",
        "for `share`, and needed there: which of the selected events count",
        _matchers(RESERVED_KEYS),
    ),
    Field("op", '`">"` or `"<"`', '`">"`', "which side of the thresholds is bad", {"enum": [">", "<"]}),
    Field(
        "thresholds",
        "`{warning, error, critical}`: numbers",
        "required",
        "at least one; they get further away from warning to critical. They are replaced as a whole",
        _THRESHOLDS,
    ),
    Field(
        "clear",
        "number",
        "t − 10 % of \\|t\\| (`<`: plus)",
        "at or on the good side of it the alert resolves: replaces the clear band of the lowest threshold t",
        _or_null(_NUMBER),
    ),
    Field(
        "for",
        "duration",
        "`60s`; `absent`: `0s`",
        "how long a threshold must have been breached until its severity holds",
        _DURATION,
    ),
    Field(
        "keep_firing_for",
        "duration",
        "`0s`",
        "how long values must have been good until the alert resolves",
        _DURATION,
    ),
    Field(
        "stale_after",
        "duration",
        "5 intervals, at least `60s`",
        "how long a source may be silent until its alerts are marked stale",
        _or_null(_DURATION),
    ),
    Field(
        "labels",
        "`{label: text}`",
        "none",
        "go with the alert: routes and silences look at them",
        _or_null({"type": "object", "additionalProperties": _VALUE}),
    ),
    Field(
        "summary",
        "template",
        "`{rule} of {source}: {value} beyond {threshold}`",
        "one line for people",
        _TEXT,
    ),
    Field("description", "template", "none", "more for people: what it means, what to do first", _TEXT),
    Field("runbook_url", "template", "none", "where it says what to do", _TEXT),
    Field(
        "enabled",
        "`true` or `false`",
        "`true`",
        "`false` takes the rule out: the way to do without a stock rule",
        {"type": "boolean"},
    ),
)


def schema(stock: Iterable[str]) -> Schema:
    """Return the JSON Schema (draft 7, which editors know best) of a rules file on top of these rules.

    It cannot say everything that the parser checks: how fields of a rule go together, regular
    expressions, templates, and a window that is too long as text.
    """
    rule: Schema = {
        "type": "object",
        "properties": {
            field.name: {
                "description": f"{field.meaning} ({field.form}; default: {field.default})".replace(
                    "\\|", "|"
                ),
                **field.schema,
            }
            for field in FIELDS
        },
        "additionalProperties": False,
        "required": ["name"],
        "if": {"properties": {"name": {"enum": [*stock]}}},
        "else": {"required": ["metric", "thresholds"]},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rules of Atalaia",
        "type": ["object", "null"],
        "properties": {"rules": {"type": ["array", "null"], "items": rule}},
        "additionalProperties": False,
    }


def table() -> str:
    """Return the fields as docs/rules.md shows them."""
    rows = [f"| `{field.name}` | {field.form} | {field.default} | {field.meaning} |" for field in FIELDS]
    return "\n".join(["| field | written as | default | meaning |", "|---|---|---|---|", *rows])
