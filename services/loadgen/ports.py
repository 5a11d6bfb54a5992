"""What running a test needs from the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from services.loadgen.domain.calibration import Calibration
from services.loadgen.domain.plan import Plan
from services.loadgen.domain.totals import Row
from services.loadgen.domain.window import Window


class Share(Protocol):
    """Something that sends one part of a plan: a process here, or an instance elsewhere."""

    name: str
    calibration: Calibration | None

    async def prepare(self, plan: Plan) -> None:
        """Return once it could begin at once.

        Raises:
            Invalid, Misconfigured: it cannot be run like this.
            Transient: it did not come up.
        """

    def begin(self, epoch_ns: int) -> None:
        """Start at this time of our CLOCK_MONOTONIC."""

    def stop(self) -> None:
        """End at once; a last window and the end still come."""

    async def hear(self) -> tuple[str, Any]:
        """Return the next word: `window` with a Window, `end` with an Ending, `lost` with a reason."""

    async def close(self) -> None: ...


class Listener(Protocol):
    """Told what happens. Must return at once: what takes long it does elsewhere."""

    def started(self, identity: dict[str, Any]) -> None: ...

    def window(self, window: Window, row: Row) -> None: ...

    def finished(self, result: dict[str, Any]) -> None: ...


class Fleet(Protocol):
    """The instances that may share a run, this one among them."""

    def take(self) -> bool:
        """Reserve this instance; False where it has work."""

    def give_back(self) -> None: ...

    def shares(self, wanted: int) -> AbstractAsyncContextManager[Sequence[Share]]:
        """Lend shares of as many instances as there are, `wanted` at most, this one first."""
        ...

    def endable(self, run_id: str, end: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Let whoever names the run end it, for so long."""
        ...
