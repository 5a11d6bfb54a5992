"""Ends that come: of tasks that were told to stop, and of libraries that close.

On Python 3.11 `asyncio.wait_for`, which nats-py, redis-py and servers use, forgets a cancellation
that arrives together with its result: the task goes on as if nobody had spoken. So nobody here
cancels once and waits for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

AGAIN_S = 0.2  # between two cancellations: time for a task to put away what it has in its hands
LEFT_AFTER_S = 0.5


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """Raise at the end of the block, whatever it came to, a cancellation that was forgotten in there."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


async def ended(tasks: Collection[asyncio.Task[Any]], *, within_s: float) -> bool:
    """Cancel tasks until all have ended, for at most `within_s`; return whether they have.

    Those that join `tasks` meanwhile are ended with the others. What a task raised is the business of
    whoever made it.
    """
    deadline_s = time.monotonic() + within_s
    while running := {task for task in tasks if not task.done()}:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=min(AGAIN_S, left_s))
    return True


async def bounded(work: Coroutine[Any, Any, Any], *, within_s: float) -> bool:
    """Run what must not hold anybody up; return whether it came to its end within `within_s`.

    What did not is cancelled, again and again for half a second, then left to itself: unlike under
    `asyncio.timeout` it makes no difference whether `work` heeds that. Raises what `work` raised in time.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_seen)
    try:
        await asyncio.wait({task}, timeout=within_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        await ended({task}, within_s=LEFT_AFTER_S)
        return False
    task.result()
    return True


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # too late for whoever waited
