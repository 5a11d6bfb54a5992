"""Calls that are tried again while a dependency is away."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atalaia.errors import Transient
from atalaia.resilience.backoff import delay_s

T = TypeVar("T")


async def until_done(
    call: Callable[[], Awaitable[T]],
    *,
    first_s: float = 0.1,
    most_s: float = 5.0,
    on_failure: Callable[[Transient, int], None] | None = None,
) -> T:
    """Return what `call` returns, trying again after each `Transient` for as long as it takes.

    `on_failure` is told the error and the number of the try that failed, from 1.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return await call()
        except Transient as error:
            if on_failure is not None:
                on_failure(error, attempt)
        await asyncio.sleep(delay_s(attempt, first_s=first_s, most_s=most_s, dice=random.random()))
