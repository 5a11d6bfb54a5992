"""What a service is told by its operator, and what it tells others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Lifecycle:
    """What a service is told by its operator. `ready` and `draining` are what it tells others."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.reloads = asyncio.Event()
        self.ready = asyncio.Event()
        self.detail = ""

    async def unless_stopping(self, awaited: Coroutine[Any, Any, T]) -> T | None:
        """Return what `awaited` returns, or None, with it cancelled, once the service is to stop."""
        work = asyncio.ensure_future(awaited)
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            work.cancel()
            stopping.cancel()

    @property
    def status(self) -> str:
        return "draining" if self.stopping.is_set() else "up"
