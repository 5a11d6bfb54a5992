"""A worker process: sends one share of a plan and says every second what came of it.

It reads JSON lines on standard input (`plan`, `calibrate`, `go`, `stop`; an end of file is a
stop) and writes JSON lines on standard output (`calibrated`, `ready`, `window`, `end`, `failed`).
It is a process of its own so that nothing else, neither a slow broker nor a slow terminal, delays a send.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import Any, cast

import uvloop

from atalaia.errors import AtalaiaError
from services.loadgen.adapters.alarm import alarm
from services.loadgen.adapters.building import build, calibrate
from services.loadgen.adapters.connection import now_ns
from services.loadgen.adapters.driver import NS, Driver
from services.loadgen.adapters.parent import Parent
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.adapters.usage import Usage
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.histogram import Histogram, packed
from services.loadgen.domain.plan import Plan, from_json

PULSE_NS = 20_000_000
GOLDEN = 0.6180339887
PULSES_A_FOLD = 5
DRAIN_MARGIN_S = 0.5


def main() -> int:
    """Serve one parent until it is done with us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told by the terminal, and tells us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # what a scenario prints must not be taken for ours
    uvloop.run(_serve(out))
    return 0


async def _serve(out: int) -> None:
    parent = await Parent.open(out)
    share: Share | None = None
    try:
        while share is None or not share.over:
            word, said = await (share.or_over(parent.hear()) if share else parent.hear())
            match word:
                case "calibrate":
                    found = await calibrate(said)
                    parent.say("calibrated", found and found.to_json())
                case "plan":
                    share = Share(from_json(said), parent)
                    await share.prepare()
                    gc.collect()
                    gc.freeze()
                    parent.say("ready")
                case "go":
                    assert share is not None
                    share.begin(said)
                case _:
                    if share is None:
                        break
                    share.stop()
                    await share.ended()
    except AtalaiaError as error:
        parent.say("failed", str(error))
    await parent.close()


class Share:
    """The work on one plan, from its first request to its last window."""

    def __init__(self, plan: Plan, parent: Parent) -> None:
        self._plan = plan
        self._parent = parent
        self._recorder = Recorder()
        self._usage = Usage()
        self._pulse = alarm(self._on_pulse)
        self._done = asyncio.Event()
        self._driver: Driver | None = None
        self._epoch_ns = self._due_ns = self._window_from_ns = 0
        self._index = self._pulses = 0
        self._finished_ns: int | None = None
        self._stopped = False

    @property
    def over(self) -> bool:
        return self._done.is_set()

    async def prepare(self) -> None:
        self._driver = await build(self._plan, self._recorder)

    def begin(self, epoch_ns: int) -> None:
        """Start at this CLOCK_MONOTONIC time."""
        assert self._driver is not None
        self._epoch_ns = self._window_from_ns = self._recorder.looked_ns = epoch_ns
        self._driver.begin(epoch_ns)
        self._due_ns = epoch_ns
        self._pulse.arm(epoch_ns)
        self._usage.take(now_ns())

    def stop(self) -> None:
        """End at once: what is in flight is counted as that."""
        self._stopped = True
        if not self._epoch_ns:
            self._done.set()

    async def ended(self) -> None:
        """Wait for the last window."""
        await self._done.wait()

    async def or_over(self, hearing: Any) -> tuple[str, Any]:
        """Return what is heard, or a stop when the work is done first."""
        heard = asyncio.ensure_future(hearing)
        over = asyncio.ensure_future(self._done.wait())
        await asyncio.wait({heard, over}, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            over.cancel()
            return cast(tuple[str, Any], heard.result())
        heard.cancel()
        return "stop", None

    def _on_pulse(self) -> None:
        try:
            self._beat()
        except BaseException:
            self._done.set()  # without a pulse there is no end
            raise

    def _beat(self) -> None:
        assert self._driver is not None
        at_ns = now_ns()
        if self._done.is_set():
            return
        self._recorder.loop.append(at_ns - self._due_ns)
        self._recorder.look(at_ns, self._driver.waiting)
        self._pulses += 1
        # never in step with the arrivals: looks at what is out would all find the same
        uneven = 0.5 + self._pulses * GOLDEN % 1
        self._due_ns = max(self._due_ns + int(PULSE_NS * uneven), at_ns)
        if self._pulses % PULSES_A_FOLD == 0:
            self._driver.sweep()
            self._recorder.fold()
        if self._stopped or self._drained(at_ns):
            self._end()
            return
        if at_ns >= self._epoch_ns + (self._index + 1) * NS:
            self._say_window(self._epoch_ns + (self._index + 1) * NS)
        self._pulse.arm(self._due_ns)

    def _drained(self, at_ns: int) -> bool:
        assert self._driver is not None
        if not self._driver.finished():
            return False
        if self._finished_ns is None:
            self._finished_ns = at_ns
        patience_ns = int((self._plan.timeout_s + DRAIN_MARGIN_S) * NS)
        return self._driver.idle() or at_ns > self._finished_ns + patience_ns

    def _say_window(self, to_ns: int) -> None:
        driver = self._driver
        assert driver is not None
        from_s = (self._window_from_ns - self._epoch_ns) / NS
        window = self._recorder.take(self._index, from_s, (to_ns - self._epoch_ns) / NS)
        window.in_flight = len(driver.out_since())
        window.waiting = driver.waiting
        window.users = driver.users
        window.connections = len(driver.connections)
        used = self._usage.take(now_ns())
        window.cpu_share, window.cpu_wait_share = used.cpu_share, used.cpu_wait_share
        window.rss_bytes, window.gc_pause_s = used.rss_bytes, used.gc_pause_s
        window.retransmits = used.retransmits
        self._parent.say("window", window.to_json(packed))
        self._index += 1
        self._window_from_ns = to_ns

    def _end(self) -> None:
        driver = self._driver
        assert driver is not None
        at_ns = now_ns()
        self._recorder.look(at_ns, driver.waiting)
        out, waiting = driver.out_since(), driver.waiting_since()
        self._say_window(max(at_ns, self._window_from_ns + 1))
        driver.close()
        self._pulse.close()
        self._usage.close()
        censored = Histogram()
        censored.record([at_ns - intended_ns for intended_ns in (*out, *waiting)])
        ending = Ending(
            len(out),
            len(waiting),
            censored.delta(),
            sending_s=max(0.0, (driver.load_ended_ns - self._epoch_ns) / NS),
            ended_s=(at_ns - self._epoch_ns) / NS,
            stopped=self._stopped,
            precise_timer=self._pulse.precise,
        )
        self._parent.say("end", ending.to_json())
        self._done.set()
