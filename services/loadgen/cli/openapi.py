"""Requests from an OpenAPI document: every GET whose parameters have a value to send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from atalaia.errors import Invalid
from services.loadgen.domain.plan import Request

MOST_REFERENCES = 100


def requests_of(path: Path, base: str, headers: tuple[tuple[str, str], ...]) -> tuple[Request, ...]:
    """Return a request for each GET; one that needs a parameter without an example is left out.

    Raises:
        Invalid: the file is no OpenAPI 3 document, or nothing in it can be asked for.
    """
    try:
        operations = list(_gets(_read(path.read_text())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise Invalid(f"--openapi {path}: no OpenAPI 3 document: {error!r}") from error
    urls = (_url(base, place, parameters) for place, parameters in operations)
    found = tuple(Request(url, headers=headers) for url in urls if url is not None)
    if not found:
        raise Invalid(f"--openapi {path}: no GET in it can be asked for without knowing more")
    return found


def _read(text: str) -> Any:
    """Return what JSON or YAML says; JSON first, for it is a hundred times as fast to read."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _gets(document: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if not str(document["openapi"]).startswith("3."):
        raise ValueError(f"version {document['openapi']}")
    for place, item in document["paths"].items():
        if "get" in item:
            parameters = [*item.get("parameters", ()), *item["get"].get("parameters", ())]
            yield place, [_resolved(document, parameter) for parameter in parameters]


def _resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for _ in range(MOST_REFERENCES):
        if "$ref" not in part:
            return part
        found: Any = document
        for step in str(part["$ref"]).removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        part = found
    raise ValueError(f"$ref {part['$ref']} leads nowhere")


def _url(base: str, place: str, parameters: list[dict[str, Any]]) -> str | None:
    query: dict[str, str] = {}
    for parameter in parameters:
        value = _example(parameter)
        if parameter["in"] == "path":
            if value is None:
                return None
            place = place.replace("{" + parameter["name"] + "}", quote(value, safe=""))
        elif parameter.get("required"):
            if value is None or parameter["in"] != "query":
                return None
            query[parameter["name"]] = value
    return base.rstrip("/") + place + (f"?{urlencode(query)}" if query else "")


def _example(parameter: dict[str, Any]) -> str | None:
    schema = parameter.get("schema") or {}
    examples = [example.get("value") for example in (parameter.get("examples") or {}).values()]
    candidates = [
        parameter.get("example"),
        *examples,
        schema.get("example"),
        *(schema.get("examples") or ()),
        schema.get("default"),
        *(schema.get("enum") or ()),
    ]
    return next((_text(value) for value in candidates if value is not None), None)


def _text(value: object) -> str:
    """Return a value as JSON spells it: true, not True; 2026-11-25T08:00:00, not with a space."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)
