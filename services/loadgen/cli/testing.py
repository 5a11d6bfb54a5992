"""One test from the command line, from the first worker to the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from atalaia.clock import SystemClock
from services.loadgen.adapters.ceiling import cache_folder, ceiling
from services.loadgen.adapters.outputs import write, written
from services.loadgen.adapters.process import ProcessShare
from services.loadgen.cli.live import view
from services.loadgen.cli.options import Options
from services.loadgen.cli.summary import summary
from services.loadgen.domain.plan import Closed
from services.loadgen.domain.result import exit_code
from services.loadgen.domain.steps import Steps
from services.loadgen.domain.totals import Row
from services.loadgen.domain.window import Window
from services.loadgen.handlers.running import Running
from services.loadgen.ports import Listener


async def test(options: Options) -> int:
    """Run it; the summary goes to standard output, everything else to standard error."""
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(worker_processes(options.workers))
        plan = options.plan
        listeners: list[Listener] = []
        seen = view(options.plain, options.quiet)
        if seen is not None:
            listeners.append(seen)
        steps = StepListener(plan.load) if options.stress and isinstance(plan.load, Closed) else None
        if steps is not None:
            listeners.append(steps)
        running = Running(
            plan,
            workers,
            listeners,
            SystemClock(),
            slos=options.slos,
            abort_on_fail=options.abort_on_fail,
            warmup_s=options.warmup_s,
            ceiling=await ceiling(workers[0], cache_folder()),
        )
        signals = Signals(running.stopping)
        outcome = await running.run()
    results = steps.steps.results() if steps else []
    sys.stdout.write(summary(outcome, results, steps.steps.fit() if steps else None))
    sys.stdout.flush()
    for kind, path in options.outputs:
        write(path, written(kind, outcome, results))
    return exit_code(outcome, regressed=False, signalled=signals.number)


@asynccontextmanager
async def worker_processes(number: int) -> AsyncIterator[list[ProcessShare]]:
    """Lend workers, all started at once; none of them outlives this."""
    workers = [ProcessShare(f"worker {n}") for n in range(number)]
    try:
        await asyncio.gather(*(worker.spawn() for worker in workers))
        yield workers
    finally:
        await asyncio.gather(*(worker.close() for worker in workers))


class Signals:
    """Ctrl-C and SIGTERM end a run, and are remembered for the exit code."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self.number: int | None = None
        self._stopping = stopping
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on, number)

    def _on(self, number: int) -> None:
        self.number = self.number or number
        self._stopping.set()


class StepListener:
    """Gives a stress test's windows to its steps."""

    def __init__(self, load: Closed) -> None:
        self.steps = Steps(load.steps)

    def started(self, identity: dict[str, Any]) -> None:
        return None

    def window(self, window: Window, row: Row) -> None:
        self.steps.add(window)

    def finished(self, result: dict[str, Any]) -> None:
        return None
