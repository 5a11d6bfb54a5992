"""Keys from arguments: readable, the same in every process, and different where the arguments are."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
import string
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel

from atalaia.errors import Invalid

LONGEST = 120  # characters of a key's arguments; beyond it the rest becomes a hash
SHOWN = 64
DIGEST = 32
NO_ARGUMENTS = "()"
GLOB = frozenset("*?[]\\")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RESERVED = frozenset({"true", "false", "null", "nan", "inf", "-inf"})
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Unspellable(Exception):
    """A value whose text would differ from process to process. Never leaves this package."""


def spelled(value: object) -> str:
    """Return the value's one text: no spaces, no `:`, none of the characters that patterns give a meaning.

    Values of different types never share one, but for enums and classes of the same name.
    """
    match value:
        case None:
            return "null"
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int():
            return str(int(value))
        case float():
            return repr(float(value))
        case UUID():
            return str(value)
        case bytes() | bytearray():
            return f"bytes({value.hex()})"
        case Decimal() | PurePath():
            name = "Decimal" if isinstance(value, Decimal) else "path"
            return f"{name}({quote(str(value), safe='')})"
        case datetime() | date() | time():
            return _moment(value)
        case timedelta():
            return f"timedelta({value.days},{value.seconds},{value.microseconds})"
        case _:
            return _compound(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value not in _RESERVED and not _UUID.fullmatch(value):
        return str(value)
    return f"'{quote(value, safe='@./+-', errors='surrogatepass')}'"


def _moment(value: date | time) -> str:
    text = value.isoformat().replace(":", ".")
    if isinstance(value, datetime | time) and value.fold:
        text += "~fold"
    return f"time({text})" if isinstance(value, time) else text


def _compound(value: object) -> str:
    if isinstance(value, tuple):
        return f"({_joined(value)})"
    if isinstance(value, list):
        return f"list({_joined(value)})"
    if isinstance(value, set | frozenset):
        return f"set({','.join(sorted(spelled(one) for one in value))})"
    if isinstance(value, Mapping):
        pairs = sorted(f"{spelled(name)}={spelled(one)}" for name, one in value.items())
        return f"{{{','.join(pairs)}}}"
    fields: dict[str, object]
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    else:
        raise Unspellable(type(value).__name__)
    return f"{type(value).__name__}({','.join(f'{name}={spelled(one)}' for name, one in fields.items())})"


def _joined(values: tuple[object, ...] | list[object]) -> str:
    return ",".join(spelled(one) for one in values) + ("," if len(values) == 1 else "")


def checked_name(text: str, *, what: str) -> str:
    """Return a part of a key that code, not data, chooses.

    Raises:
        Invalid: it holds something else than letters, digits, `_`, `.` and `-`.
    """
    if not _NAME.fullmatch(text):
        raise Invalid(f"{what} {text!r} may hold letters, digits, '_', '.' and '-' alone", field=what)
    return text


class Template:
    """Text with fields in braces: `"users:get_user:{user.id}"`. Fields are spelled like arguments."""

    def __init__(self, text: str) -> None:
        self._formatter = string.Formatter()
        try:
            self._parts = list(self._formatter.parse(text))
        except ValueError as error:
            raise Invalid(f"{text!r}: {error}", field="pattern") from error
        for _, field, spec, conversion in self._parts:
            if spec or conversion or field == "":
                raise Invalid(
                    f"{text!r}: a field is a name, as in {{user_id}} or {{user.id}}", field="pattern"
                )
        self.text = text
        self.literal = "".join(literal for literal, *_ in self._parts)
        self.names = {re.split(r"[.\[]", field)[0] for _, field, _, _ in self._parts if field}

    def render(self, values: Mapping[str, object], *, of: str) -> str:
        """Return the text with its fields filled in. Raises `Invalid`, naming the field and `of`."""
        text = []
        for literal, field, _, _ in self._parts:
            text.append(literal)
            if field:
                try:
                    found, _ = self._formatter.get_field(field, (), values)
                    text.append(spelled(found))
                except (KeyError, AttributeError, IndexError, TypeError) as error:
                    raise Invalid(f"{of}: {{{field}}} in {self.text!r} is not there", field=field) from error
                except Unspellable as error:
                    raise _refused(of, field, error) from None
        return "".join(text)


def cut(text: str) -> str:
    """Return a text that is not too long: the rest of a long one is its hash (128 bits of SHA-256)."""
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
    return f"{text[:SHOWN]}~{digest}"


KeyOf = str | Callable[..., object]


class Keys:
    """The keys of one function: `namespace:name:arguments`, without `self` and `cls`.

    `key` instead of the arguments: a template of them, or a callable that takes what the function takes
    and returns a value, or a tuple of values, that can be spelled.
    """

    def __init__(self, function: Callable[..., Any], *, namespace: str | None, key: KeyOf | None) -> None:
        self.namespace = checked_name(namespace or function.__module__, what="namespace")
        self.name = checked_name(function.__qualname__.rpartition("<locals>.")[2], what="name")
        self.start = f"{self.namespace}:{self.name}:"
        self.labels = (self.namespace, f"{self.namespace}:{self.name}")
        self._signature = inspect.signature(function)
        parameters = list(self._signature.parameters.values())
        self._names = [one.name for one in parameters]
        self._bound = 1 if self._names[:1] in (["self"], ["cls"]) else 0
        in_order = all(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)
        defaults = [one.default for one in parameters if one.default is not one.empty]
        self._defaults = tuple(defaults)
        self._least = len(parameters) - len(defaults) if in_order else len(parameters) + 1
        self._key: Callable[..., object] | None = key if callable(key) else None
        self._template = self._checked(Template(key)) if isinstance(key, str) else None

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of a call.

        Raises:
            Invalid: an argument has no stable text; names it.
            TypeError: the function does not take these arguments.
        """
        if self._template is not None:
            return self.start + cut(self._template.render(self.arguments(args, kwargs), of=self.name))
        if self._key is not None:
            made = self._key(*args, **kwargs)
            return self._joined(made if isinstance(made, tuple) else (made,), None)
        return self._joined(self._values(args, kwargs)[self._bound :], self._names[self._bound :])

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return every argument by its parameter's name, defaults too."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def _values(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        missing = len(self._names) - len(args)
        if not kwargs and len(args) >= self._least and missing >= 0:
            return args + self._defaults[len(self._defaults) - missing :] if missing else args
        return tuple(self.arguments(args, kwargs).values())

    def _joined(self, values: tuple[Any, ...], names: list[str] | None) -> str:
        parts = []
        for position, value in enumerate(values):
            try:
                parts.append(str(value) if type(value) is int else spelled(value))
            except Unspellable as error:
                raise _refused(self.name, names[position] if names else "key", error) from None
        return self.start + cut(":".join(parts) or NO_ARGUMENTS)

    def _checked(self, template: Template) -> Template:
        unknown = template.names - set(self._names)
        if unknown:
            raise Invalid(
                f"{self.name} takes no {', '.join(sorted(unknown))} (key={template.text!r})", field="key"
            )
        if GLOB & set(template.literal):
            raise Invalid(f"a key holds none of * ? [ ] \\ (key={template.text!r})", field="key")
        return template


def _refused(function: str, argument: str, error: Unspellable) -> Invalid:
    return Invalid(
        f"{function}: argument {argument!r} holds a {error}, which has no stable text for a key; "
        f"say what tells two calls apart with key=, for example key='{{{argument}.id}}'",
        field=argument,
    )
