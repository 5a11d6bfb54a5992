"""A breaker around any async call: `@breaker(...)`, or `async with`."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from atalaia import log as _log
from atalaia.errors import Refused, Transient
from atalaia.events.metrics import HistogramDelta
from atalaia.events.series import spell
from atalaia.resilience.breaker import Breaker, State

P = ParamSpec("P")
R = TypeVar("R")
_log_ = _log.get("resilience")


class Circuit:
    """One dependency's breaker, shared by all calls to it in this process; for one event loop."""

    def __init__(self, name: str, breaker: Breaker, counted: tuple[type[Exception], ...]) -> None:
        self.name = name
        self._breaker = breaker
        self._counted = counted
        self._probe: asyncio.Task[Any] | None = None
        self._succeeded = self._failed = self._refused = self._opened = 0

    @property
    def state(self) -> State:
        return self._breaker.state

    async def __aenter__(self) -> None:
        """Raise `Refused` while the circuit is open."""
        try:
            probe = self._breaker.enter(time.monotonic())
        except Refused as refused:
            self._refused += 1
            raise Refused(f"{self.name}: circuit open", retry_in_s=refused.retry_in_s) from None
        if probe:
            self._probe = asyncio.current_task()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        probe = self._probe is not None and self._probe is asyncio.current_task()
        if probe:
            self._probe = None
        if isinstance(error, self._counted):
            self._fail(probe)
        elif error is None or isinstance(error, Exception):
            self._succeed(probe)
        else:
            self._breaker.abandoned(probe=probe)

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self:
                return await function(*args, **kwargs)

        return guarded

    def counters(self) -> dict[str, float]:
        """Return {series: value} since the start, growing only."""
        by_outcome = {"failed": self._failed, "refused": self._refused, "succeeded": self._succeeded}
        named = {"circuit.name": self.name}
        return {
            spell("circuit.openings", named): self._opened,
            **{
                spell("circuit.calls", {**named, "circuit.outcome": outcome}): count
                for outcome, count in by_outcome.items()
            },
        }

    def gauges(self) -> dict[str, float]:
        """Return {series: value}: 1 while calls are refused."""
        return {spell("circuit.open", {"circuit.name": self.name}): float(not self._breaker.closed)}

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return nothing: a circuit does not measure time. With it, it is a meter that services watch."""
        return {}

    def _succeed(self, probe: bool) -> None:
        self._succeeded += 1
        self._breaker.succeeded(probe=probe)
        if probe:
            _log_.info("circuit_closed", circuit=self.name)

    def _fail(self, probe: bool) -> None:
        self._failed += 1
        was_closed = self._breaker.closed
        now_s = time.monotonic()
        self._breaker.failed(now_s, probe=probe, dice=random.random())
        if was_closed and not self._breaker.closed:
            self._opened += 1
            retry_in_s = round(self._breaker.retry_in_s(now_s), 1)
            _log_.warning("circuit_opened", circuit=self.name, retry_in_s=retry_in_s)


def breaker(
    name: str,
    *,
    failures: int = 5,
    first_s: float = 1.0,
    most_s: float = 30.0,
    counted: tuple[type[Exception], ...] = (Transient, OSError),
) -> Circuit:
    """Return a circuit that decorates async functions, or surrounds calls with `async with`.

    After `failures` in a row calls are refused for `first_s`; then one is let through, and if it fails the
    wait doubles, up to `most_s`. Only errors of the types `counted` (`TimeoutError` is an `OSError`) are
    failures; any other says that the dependency answers. A cancelled call says nothing: put the time limit
    inside.
    """
    return Circuit(name, Breaker(failures=failures, first_s=first_s, most_s=most_s), counted)
