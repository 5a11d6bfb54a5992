"""One test from the command line, from the first worker to the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from atalaia.clock import SystemClock
from services.loadgen.adapters.calibration import cache_folder, calibrated
from services.loadgen.adapters.nearby import nats_url
from services.loadgen.adapters.outputs import write, written
from services.loadgen.adapters.process import ProcessShare
from services.loadgen.cli.compare import compared, lines, read
from services.loadgen.cli.live import view
from services.loadgen.cli.options import Options
from services.loadgen.cli.summary import summary
from services.loadgen.domain.comparison import overall
from services.loadgen.domain.conclusion import exit_code
from services.loadgen.domain.plan import Plan
from services.loadgen.domain.result import Outcome
from services.loadgen.handlers.running import Running
from services.loadgen.ports import Listener

if TYPE_CHECKING:
    from services.loadgen.adapters.publisher import Publisher


LAST_WORDS_S = 2.0


async def test(options: Options) -> int:
    """Run it; the summary goes to standard output, everything else to standard error."""
    earlier = read(options.baseline)
    stopping = asyncio.Event()
    signals = Signals(stopping)
    seen = view(options.plain, options.quiet)
    outcome = await once(options, options.plan, stopping, [] if seen is None else [seen])
    sys.stdout.write(summary(outcome))
    regressed = False
    if earlier and not outcome.interrupted:
        new = {**outcome.to_json(), "windows": [row.to_json() for row in outcome.totals.rows]}
        found = compared(earlier, [new], options.threshold)
        sys.stdout.write("\n".join(lines(found, options.threshold)) + "\n")
        regressed = overall(found) == "regression"
    sys.stdout.flush()
    for kind, path in options.outputs:
        write(path, written(kind, outcome))
    return exit_code(outcome, regressed=regressed, signalled=signals.number)


async def once(
    options: Options, plan: Plan, stopping: asyncio.Event, listeners: Sequence[Listener] = ()
) -> Outcome:
    """Run one plan on workers of its own, published where there is a broker."""
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(worker_processes(options.workers))
        publisher = await stack.enter_async_context(published(options.nats))
        workers[0].calibration = await calibrated(workers[0], cache_folder())
        running = Running(
            plan,
            workers,
            [*listeners, publisher] if publisher is not None else listeners,
            SystemClock(),
            slos=options.slos,
            abort_on_fail=options.abort_on_fail,
            warmup_s=options.warmup_s,
            stopping=stopping,
        )
        outcome = await running.run()
        if publisher is not None:
            await publisher.drain(LAST_WORDS_S)
    return outcome


@asynccontextmanager
async def worker_processes(number: int) -> AsyncIterator[list[ProcessShare]]:
    """Lend workers, all started at once; none of them outlives this."""
    workers = [ProcessShare(f"worker {n}") for n in range(number)]
    try:
        await asyncio.gather(*(worker.spawn() for worker in workers))
        yield workers
    finally:
        await asyncio.gather(*(worker.close() for worker in workers))


@asynccontextmanager
async def published(given: str | None) -> AsyncIterator[Publisher | None]:
    """Lend a publisher that works in the background, or None where there is no broker to publish to."""
    url = nats_url(given)
    if not url:
        if given != "off":
            _say("no broker is known (NATS_URL, or a platform here): this run is not published")
        yield None
        return
    from atalaia import log
    from services.loadgen.adapters.publisher import Publisher  # the client takes long to import

    log.configure(service="loadgen", instance="", level="error", format="auto")  # it speaks through us
    publisher = Publisher(SystemClock(), _say)
    task = asyncio.create_task(publisher.connect_and_run(url))
    try:
        yield publisher
    finally:
        task.cancel()
        await asyncio.wait({task})


def _say(what: str) -> None:
    sys.stderr.write(f"loadgen: {what}\n")


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
