"""What a function returns, as bytes and back: JSON, read as its return annotation says."""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from atalaia.errors import Invalid

R = TypeVar("R")
VALUE, FAILURE = b"v", b"e"


class Unreadable(Exception):
    """Bytes that this version cannot read back. Never leaves this package."""


class Unstorable(Exception):
    """A value that is not what the annotation promises, or has no JSON. Never leaves this package."""


class Values(Generic[R]):
    """One function's results; and its failures, of the types that are worth remembering."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        returns: Any = inspect.Signature.empty,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self._function = function
        self._returns = returns
        self._failures = {f"{one.__module__}.{one.__qualname__}": one for one in failures}
        if returns is inspect.Signature.empty and "return" not in function.__annotations__:
            raise Invalid(
                f"{function.__qualname__} does not say what it returns: annotate it, or give returns=",
                field="returns",
            )

    @functools.cached_property
    def _adapter(self) -> TypeAdapter[R]:
        """Made at the first use, when names that the annotation uses are known."""
        name = self._function.__qualname__
        try:
            returns = self._returns
            if returns is inspect.Signature.empty:
                returns = typing.get_type_hints(self._function, include_extras=True)["return"]
            return TypeAdapter(returns)
        except NameError as error:
            raise Invalid(f"{name}: what it returns is not known here ({error}); give returns=") from error
        except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
            raise Invalid(f"{name}: {returns!r} cannot be read back from JSON; give returns=") from error

    def check(self) -> None:
        """Raise `Invalid` where the annotation cannot be used."""
        _ = self._adapter

    def dumped(self, value: R) -> bytes:
        """Return the bytes of a value, which can be read back. Raises `Unstorable`."""
        try:
            payload = VALUE + self._adapter.dump_json(value, warnings="error")
            self._adapter.validate_json(payload[1:])
        except (PydanticSerializationError, ValidationError, ValueError) as error:
            raise Unstorable(str(error)) from error
        return payload

    def dumped_failure(self, error: Exception) -> bytes:
        """Return the bytes of an exception of exactly one of the types given."""
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        stored = {"type": name, "args": error.args, "state": vars(error)}
        return FAILURE + json.dumps(stored, default=str).encode()

    def loaded(self, payload: bytes) -> R:
        """Return a value that was stored, or raise the exception that was. Raises `Unreadable`."""
        kind, body = payload[:1], payload[1:]
        try:
            if kind == VALUE:
                return self._adapter.validate_json(body)
            failure = self._failure(json.loads(body)) if kind == FAILURE else None
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            raise Unreadable(str(error)) from error
        if failure is None:
            raise Unreadable(f"begins with {kind!r}")
        raise failure

    def _failure(self, stored: dict[str, Any]) -> Exception:
        kind = self._failures[stored["type"]]
        error = kind.__new__(kind, *stored["args"])
        vars(error).update(stored["state"])
        return error
