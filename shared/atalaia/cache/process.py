"""The process' own cache, and the decorators that use it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypedDict, TypeVar, Unpack
from weakref import WeakKeyDictionary

from atalaia.cache.client import Cache
from atalaia.cache.decorators import How, cached, invalidating

P = ParamSpec("P")
R = TypeVar("R")
Async = Callable[P, Coroutine[Any, Any, R]]


class Options(TypedDict, total=False):
    """What a `Cache` may be told beside its URL."""

    prefix: str
    local_s: float
    local_entries: int
    local_bytes: int
    within_s: float


class _Default:
    """One cache for each event loop, made at its first use there."""

    def __init__(self) -> None:
        self._make: Callable[[], Cache] = lambda: Cache(os.environ.get("REDIS_URL") or None)
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, Cache] = WeakKeyDictionary()

    def configure(self, make: Callable[[], Cache]) -> None:
        self._make = make
        self._made.clear()

    def __call__(self) -> Cache:
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            made = self._made[loop] = self._make()
        return made

    async def close(self) -> None:
        made = self._made.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await made.close()


_default = _Default()


def configure(url: str | None, **options: Unpack[Options]) -> None:
    """Say where the decorators of this process keep things; None: in this process alone.

    Connects to nothing. Without it, `REDIS_URL` is read when it is needed first.
    """
    _default.configure(lambda: Cache(url, **options))


def default() -> Cache:
    """Return the running loop's cache: to invalidate by hand, for its status and counters."""
    return _default()


async def close() -> None:
    """Close the running loop's cache; the last thing an application does with it."""
    await _default.close()


def cache_result(**how: Unpack[How]) -> Callable[[Async[P, R]], Async[P, R]]:
    """Keep what an async function returns for `ttl_s`, under `namespace:name:arguments`.

    Everybody, the first caller too, gets what the JSON of the result reads as by the return annotation: a
    copy of one's own. A result that is not what the annotation says is passed on, not kept.

    Args:
        ttl_s: how long; what is asked for in the last fifth of it is made anew in the background.
        key: what tells two calls apart, instead of all arguments but `self` and `cls`: a template like
            `"{user.id}:{lang}"`, or a callable that takes the same arguments and returns a value or a tuple.
        namespace: the first part of the key; the function's module if not given.
        returns: how to read results back, instead of the return annotation.
        negative_ttl_s: how long None, and exceptions of exactly the types in `negative`, are kept. Without
            it they are not.
        flight_s: how long a call waits for another that makes the same result, here or in another process,
            before the function is called again. Longer than the function takes. 5 s if not given.

    Raises:
        Invalid: at decoration where the function cannot be cached; at a call where an argument has no stable
            text: names it and the way out.
    """
    return cached(default, **how)


def invalidate_cache_on_change(*patterns: str) -> Callable[[Async[P, R]], Async[P, R]]:
    """Invalidate what matches once the async function has returned; nothing when it raised.

    Fields are arguments, or parts of the `result`: `"users:get_user:{user_id}"`, `"users:*:{result.id}"`.
    While Redis is away the function succeeds all the same: see `Cache.invalidate`.

    Raises:
        Invalid: a pattern names what the function does not take.
    """
    return invalidating(default, *patterns)
