"""`@cache_result` and `@invalidate_cache_on_change`, for async functions and methods."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from inspect import Signature
from typing import Any, ParamSpec, Required, TypedDict, TypeVar, Unpack

from atalaia import log as _log
from atalaia.cache.counts import Counts
from atalaia.cache.keys import KeyOf, Keys, Template
from atalaia.cache.patterns import pattern
from atalaia.cache.tiers import Made, Outcome, Passed, Terms, Tiers
from atalaia.cache.values import Unreadable, Unstorable, Values
from atalaia.errors import Invalid

P = ParamSpec("P")
R = TypeVar("R")
Async = Callable[P, Coroutine[Any, Any, R]]
_log_ = _log.get("cache")
RESULT = "result"
FLIGHT_S = 5.0


class How(TypedDict, total=False):
    """What `cache_result` may be told."""

    ttl_s: Required[float]
    key: KeyOf | None
    namespace: str | None
    returns: Any
    negative_ttl_s: float | None
    negative: tuple[type[Exception], ...]
    flight_s: float


def cached(source: Callable[[], Tiers], **how: Unpack[How]) -> Callable[[Async[P, R]], Async[P, R]]:
    """Return the decorator; `source` is asked for the cache at each call."""
    ttl_s, flight_s = how["ttl_s"], how.get("flight_s", FLIGHT_S)
    negative, negative_ttl_s = how.get("negative", ()), how.get("negative_ttl_s")
    _positive(
        ttl_s=ttl_s, flight_s=flight_s, negative_ttl_s=1.0 if negative_ttl_s is None else negative_ttl_s
    )

    if negative and negative_ttl_s is None:
        raise Invalid("negative exceptions are kept for negative_ttl_s, which is not given", field="negative")

    def decorate(function: Async[P, R]) -> Async[P, R]:
        _checked(function, "cache_result")
        keys = Keys(function, namespace=how.get("namespace"), key=how.get("key"))
        values: Values[R] = Values(function, returns=how.get("returns", Signature.empty), failures=negative)
        terms = Terms(keys.namespace, keys.labels, ttl_s, flight_s)

        async def make(counts: Counts, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome[R]:
            values.check()
            try:
                value = await function(*args, **kwargs)
            except negative as failure:
                if type(failure) not in negative or negative_ttl_s is None:
                    raise
                return Made(values.dumped_failure(failure), negative_ttl_s)
            if value is None and negative_ttl_s is None:
                return Passed(lambda: value)
            try:
                kept_s = negative_ttl_s if value is None and negative_ttl_s else ttl_s
                return Made(values.dumped(value), kept_s)
            except Unstorable as problem:
                counts.unstorable += 1
                if counts.unstorable == 1:
                    _log_.warning("result_not_cached", function=keys.name, reason=str(problem))
                return Passed(lambda: value)

        @functools.wraps(function)
        async def cached(*args: P.args, **kwargs: P.kwargs) -> R:
            tiers = source()
            counts = tiers.counts(keys.namespace)
            at = keys.of(args, kwargs)
            for _ in range(2):
                outcome = await tiers.fetch(at, terms, lambda: make(counts, args, kwargs))
                if isinstance(outcome, Passed):
                    return outcome.result()
                try:
                    return values.loaded(outcome.payload)
                except Unreadable:  # another version's
                    counts.unreadable += 1
                    await tiers.forget(at)
            return await function(*args, **kwargs)

        return cached

    return decorate


def invalidating(source: Callable[[], Tiers], *patterns: str) -> Callable[[Async[P, R]], Async[P, R]]:
    """Return the decorator; `source` is asked for the cache once the function has returned."""
    templates = [Template(one) for one in patterns]
    if not templates:
        raise Invalid("@invalidate_cache_on_change takes the patterns to invalidate", field="patterns")

    def decorate(function: Async[P, R]) -> Async[P, R]:
        _checked(function, "invalidate_cache_on_change")
        signature = inspect.signature(function)
        for one in templates:
            if unknown := one.names - {*signature.parameters, RESULT}:
                names = ", ".join(sorted(unknown))
                raise Invalid(f"{function.__qualname__} takes no {names} ({one.text!r})", field="patterns")
        before = [one for one in templates if RESULT not in one.names or RESULT in signature.parameters]
        after = [one for one in templates if one not in before]

        def rendered(some: list[Template], values: dict[str, Any]) -> list[str]:
            return [one.render(values, of=function.__qualname__) for one in some]

        @functools.wraps(function)
        async def changing(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            texts = rendered(before, bound.arguments)  # what cannot be spelled fails before anything changes
            result = await function(*args, **kwargs)
            texts += rendered(after, {**bound.arguments, RESULT: result})
            await source().invalidate_each([pattern(text) for text in texts])
            return result

        return changing

    return decorate


def _checked(function: object, decorator: str) -> None:
    if isinstance(function, classmethod | staticmethod):
        raise Invalid(f"@{decorator} goes below @{type(function).__name__}")
    if not inspect.iscoroutinefunction(function):
        raise Invalid(f"@{decorator} is for async functions, which {function!r} is not")


def _positive(**given: float) -> None:
    for name, value in given.items():
        if not value > 0:
            raise Invalid(f"{name} is {value!r}: seconds, more than 0", field=name)
