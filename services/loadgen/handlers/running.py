"""One run, from its plan to its outcome: shares are started together, their windows merged and told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from atalaia import __version__
from atalaia.clock import Clock
from atalaia.events.instants import iso
from services.loadgen.domain.calibration import weakest
from services.loadgen.domain.conclusion import conclude, judge_all
from services.loadgen.domain.ending import Ending, altogether
from services.loadgen.domain.plan import Closed, Plan
from services.loadgen.domain.result import Outcome, described
from services.loadgen.domain.slo import Sliding, Slo
from services.loadgen.domain.steps import Steps
from services.loadgen.domain.totals import Totals
from services.loadgen.domain.window import Window, together
from services.loadgen.ports import Listener, Share

BEGIN_IN_NS = 20_000_000
LEAST_WINDOWS_BEFORE_ABORT = 3
STOP_WITHIN_S = 3.0


class Running:
    """Runs one plan once."""

    def __init__(
        self,
        plan: Plan,
        shares: Sequence[Share],
        listeners: Sequence[Listener],
        clock: Clock,
        *,
        slos: Sequence[Slo] = (),
        abort_on_fail: bool = False,
        warmup_s: float | None = 0.0,
        begin_in_ns: int = BEGIN_IN_NS,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._plan = plan
        self._shares = shares
        self._listeners = listeners
        self._clock = clock
        self._slos = slos
        self._sliding = [Sliding(slo) for slo in slos if slo.over_s]
        self._abort_on_fail = abort_on_fail
        self._begin_in_ns = begin_in_ns
        self._totals = Totals(warmup_s)
        load = plan.load
        self._steps = Steps(load.steps) if isinstance(load, Closed) and len(load.steps) > 1 else None
        self._windows: dict[int, list[Window]] = {}
        self._next_index: dict[str, int] = {share.name: 0 for share in shares}
        self._endings: dict[str, Ending] = {}
        self._lost: list[str] = []
        self._aborted = ""
        self.stopping = stopping or asyncio.Event()

    async def run(self) -> Outcome:
        """Send, and return what came of it. `stopping` ends it early; the books balance all the same.

        Raises:
            Invalid, Misconfigured, Transient: a share cannot run the plan; nothing was sent.
        """
        shares = self._shares
        await asyncio.gather(
            *(share.prepare(self._plan.part(n, len(shares))) for n, share in enumerate(shares))
        )
        started_at = iso(self._clock.now())
        self._tell_started(started_at)
        epoch_ns = time.monotonic_ns() + self._begin_in_ns
        for share in shares:
            share.begin(epoch_ns)
        stopper = asyncio.ensure_future(self._stop())
        try:
            await asyncio.gather(*(self._follow(share) for share in shares))
        finally:
            stopper.cancel()
        self._emit(everything=True)
        outcome = conclude(
            self._plan.part(0, len(shares)),
            self._totals,
            altogether(list(self._endings.values())),
            slos=self._slos,
            sliding=self._sliding,
            started_at=started_at,
            finished_at=iso(self._clock.now()),
            calibration=weakest([share.calibration for share in shares]),
            lost=self._lost,
            interrupted=self.stopping.is_set() and not self._aborted,
            aborted=self._aborted,
            steps=self._steps,
        )
        result = outcome.to_json()
        for listener in self._listeners:
            listener.finished(result)
        return outcome

    async def _stop(self) -> None:
        await self.stopping.wait()
        for share in self._shares:
            share.stop()

    async def _follow(self, share: Share) -> None:
        while True:
            word, said = await self._next(share)
            match word:
                case "window":
                    self._windows.setdefault(said.index, []).append(said)
                    self._next_index[share.name] = said.index + 1
                    self._emit()
                case "end":
                    self._endings[share.name] = said
                    del self._next_index[share.name]
                    self._emit()
                    return
                case _:
                    self._lost.append(f"{share.name}: {said}")
                    self._next_index.pop(share.name, None)
                    self._emit()
                    return

    async def _next(self, share: Share) -> tuple[str, Any]:
        """Hear a share; one that was told to stop and says nothing is lost."""
        hearing = asyncio.ensure_future(share.hear())
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({hearing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return hearing.result()
            async with asyncio.timeout(STOP_WITHIN_S):
                return await hearing
        except TimeoutError:
            return "lost", "did not stop"
        finally:
            hearing.cancel()
            stopping.cancel()

    def _emit(self, *, everything: bool = False) -> None:
        """Tell of each second that all shares have told of."""
        whole = min(self._next_index.values(), default=None)
        for index in sorted(self._windows):
            if not everything and whole is not None and index >= whole:
                return
            window = together(self._windows.pop(index))
            row = self._totals.add(window)
            if self._steps is not None:
                self._steps.add(window)
            for sliding in self._sliding:
                if not row.warmup:
                    sliding.add(window)
            for listener in self._listeners:
                listener.window(window, row)
            self._abort_if_failed(window)

    def _abort_if_failed(self, window: Window) -> None:
        rows = sum(not row.warmup for row in self._totals.rows)
        if not self._abort_on_fail or self.stopping.is_set() or rows < LEAST_WINDOWS_BEFORE_ABORT:
            return
        seconds = window.to_s - self._totals.judged_from_s
        judged = judge_all(self._slos, self._sliding, self._totals, Ending(), seconds)
        failed = [one.slo.expression for one in judged if one.passed is False]
        if failed:
            self._aborted = f"missed {', '.join(failed)}"
            self.stopping.set()

    def _tell_started(self, started_at: str) -> None:
        plan = self._plan
        identity = {
            "run_id": plan.run_id,
            "started_at": started_at,
            "target": plan.target,
            "model": plan.model,
            "load": described(plan),
            "duration_s": plan.duration_s(),
            "slo": [slo.expression for slo in self._slos],
            "instances": [share.name for share in self._shares],
            "warmup_s": None if self._totals.sought_warmup else self._totals.warmup_s,
            "version": __version__,
        }
        for listener in self._listeners:
            listener.started(identity)
