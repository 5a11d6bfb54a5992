"""Running a whole transaction again, where that is safe."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atalaia.database.errors import Trouble, may_run_again
from atalaia.database.session import Connection, Transaction
from atalaia.resilience.backoff import delay_s

T = TypeVar("T")
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 1.0


async def run_transaction(
    work: Callable[[Connection], Awaitable[T]],
    begin: Callable[[], Transaction],
    *,
    within_s: float,
    retried: Callable[[], None],
) -> T:
    """Return what `work` returns in a transaction of `begin`; again after what a new try may help with."""
    deadline_s = time.monotonic() + within_s
    attempt = 0
    while True:
        attempt += 1
        transaction = begin()
        try:
            async with transaction as connection:
                result = await work(connection)
        except Trouble as error:
            ours = error is transaction.trouble  # `work` may use other pools
            if not ours or not may_run_again(error.kind, transaction.phase, read_only=transaction.read_only):
                raise
            # anything up to twice the delay: those who collided must not meet again
            pause_s = delay_s(
                attempt, first_s=FIRST_PAUSE_S, most_s=LONGEST_PAUSE_S, dice=random.random(), spread=1.0
            )
            if time.monotonic() + pause_s > deadline_s:
                raise
        else:
            return result
        retried()
        await asyncio.sleep(pause_s)
