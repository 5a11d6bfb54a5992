"""Something that runs, and is started again when it ends by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from atalaia.embedded.child import Sink
from atalaia.errors import AtalaiaError, Misconfigured
from atalaia.resilience.backoff import delay_s

STABLE_AFTER_S = 20.0
EXIT_MISCONFIGURED = 2


class Supervised:
    """One child under a name. `start` returns once it runs, `wait` its exit code, `stop` when it is gone."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[None]],
        wait: Callable[[], Awaitable[int]],
        stop: Callable[[], Awaitable[None]],
        say: Sink,
    ) -> None:
        self.name = name
        self._start, self._wait, self._stop, self._say = start, wait, stop, say
        self._started_at_s = 0.0
        self._stopping = False
        self._running = False

    async def first_start(self) -> None:
        """Start; an error is the caller's."""
        await self._begin()

    async def keep(self) -> None:
        """Start it again, ever more patiently, each time it ends; return when it is stopped.

        Raises:
            Misconfigured: its very first start ended so: it said why.
        """
        failures = 0
        first = True
        while True:
            code = await self._wait()
            self._running = False
            if self._stopping:
                return
            if time.monotonic() - self._started_at_s > STABLE_AFTER_S:
                failures = 0
            elif first and code == EXIT_MISCONFIGURED:
                raise Misconfigured(f"{self.name} does not start with these settings; it says why above")
            first = False
            failures = await self._again(code, failures + 1)

    async def stop(self) -> None:
        self._stopping = True
        if self._running:
            await self._stop()

    async def _again(self, code: int, failures: int) -> int:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        while not self._stopping:
            # the first time at once: most ends are accidents
            wait_s = 0.0 if failures == 1 else delay_s(failures - 1, first_s=0.5, most_s=15.0)
            self._say(f"{self.name} {ended}; starting it again" + (f" in {wait_s:.1f} s" if wait_s else ""))
            await asyncio.sleep(wait_s)
            if self._stopping:
                break
            try:
                await self._begin()
            except AtalaiaError as error:
                failures += 1
                ended = f"did not start ({error})"
            else:
                break
        return failures

    async def _begin(self) -> None:
        self._started_at_s = time.monotonic()
        await self._start()
        self._running = True
