"""YAML read with the line of everything: what is wrong says where, all of it at once."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

import yaml

from atalaia.errors import Misconfigured

Node = yaml.Node
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Wrong(Exception):
    """A problem at a place."""

    def __init__(self, node: Node, problem: str) -> None:
        super().__init__(problem)
        self.line = node.start_mark.line + 1
        self.problem = problem


class Problems:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def note(self, node: Node, field: str, problem: str) -> None:
        self._found.append((node.start_mark.line + 1, field, problem))

    def wrong(self, field: str, wrong: Wrong) -> None:
        self._found.append((wrong.line, field, wrong.problem))

    def unknown(self, fields: dict[str, tuple[Node, Node]], known: Iterable[str]) -> None:
        """Note each field that is not known, with the nearest that is."""
        names = list(known)
        for name, (key, _) in fields.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                self.note(key, name, "unknown field" + (f"; did you mean `{near[0]}`?" if near else ""))

    def raise_if_any(self) -> None:
        """Raise `Misconfigured` with one line for each problem, `file:line: field: problem`."""
        if self._found:
            said = (f"{self._file}:{line}: {field}: {text}" for line, field, text in sorted(self._found))
            raise Misconfigured("\n".join(said))


def compose(text: str, *, file: str) -> Node | None:
    """Return the document's node; None where the file is empty.

    Raises:
        Misconfigured: it is not YAML.
    """
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misconfigured(f"{file}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise Misconfigured(f"{file}:1: not YAML: {type(error).__name__}") from None


def mapping(node: Node) -> dict[str, tuple[Node, Node]]:
    """Return {name: (key's node, value's node)}."""
    if not isinstance(node, yaml.MappingNode):
        raise Wrong(node, "must be a mapping of fields")
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        name = scalar(key)
        if name in found:
            raise Wrong(key, f"{name!r} is there twice")
        found[name] = (key, value)
    return found


def sequence(node: Node) -> list[Node]:
    if is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise Wrong(node, "must be a list")
    return list(node.value)


def scalar(node: Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise Wrong(node, "must be a single value")
    return str(node.value)


def is_null(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def boolean(node: Node) -> bool:
    if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
        raise Wrong(node, "is true or false")
    return str(node.value).lower() in ("true", "yes", "on")


def seconds(node: Node) -> float:
    said = scalar(node)
    match = _DURATION.fullmatch(said)
    if match is not None:
        return float(match[1]) * _UNITS_S[match[2]]
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if value < 0 or not math.isfinite(value):
        raise Wrong(node, f"{said!r} is not a duration; write 30s, 5m, 4h or 1d")
    return value
