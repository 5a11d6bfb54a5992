"""A worker process: sends one share of a plan and says every second what came of it.

It reads JSON lines on standard input (`plan`, `calibrate`, `go`, `stop`; an end of file is a
stop) and writes JSON lines on standard output (`ceiling`, `ready`, `window`, `end`, `failed`).
It is a process of its own so that nothing else, neither a slow broker nor a slow terminal, delays a send.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import random
import signal
import sys
import time
from typing import Any, cast

import uvloop

from atalaia.errors import AtalaiaError, Invalid
from services.loadgen.adapters import scenario
from services.loadgen.adapters.alarm import alarm
from services.loadgen.adapters.closed import ClosedDriver
from services.loadgen.adapters.connection import now_ns
from services.loadgen.adapters.driver import NS, Driver
from services.loadgen.adapters.open import OpenDriver
from services.loadgen.adapters.prepared import Preparation, mix
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.adapters.scenario import ScenarioDriver
from services.loadgen.adapters.usage import Usage
from services.loadgen.domain import schedule
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.plan import Closed, Plan, Request, Step, from_json, share_of

PULSE_NS = 20_000_000
PULSES_A_FOLD = 5
CALIBRATE_USERS = 16
DRAIN_MARGIN_S = 0.5


def main() -> int:
    """Serve one parent until it is done with us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told by the terminal, and tells us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # what a scenario prints must not be taken for ours
    uvloop.run(_serve(out))
    return 0


class Parent:
    """The pipes to whoever started us."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.WriteTransport) -> None:
        self._reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, out: int) -> Parent:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**26)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(out, "wb"))
        return cls(reader, transport)

    async def hear(self) -> tuple[str, Any]:
        """Return the next word and what goes with it; `stop` when the parent is gone."""
        line = await self._reader.readline()
        if not line:
            return "stop", None
        (word, said), *_ = json.loads(line).items()
        return str(word), said

    def say(self, word: str, what: Any = None) -> None:
        self._transport.write(json.dumps({word: what}).encode() + b"\n")

    async def close(self) -> None:
        self._transport.close()
        while self._transport.get_write_buffer_size():
            await asyncio.sleep(0.01)


async def _serve(out: int) -> None:
    parent = await Parent.open(out)
    share: Share | None = None
    try:
        while share is None or not share.over:
            word, said = await (share.or_over(parent.hear()) if share else parent.hear())
            match word:
                case "calibrate":
                    parent.say("ceiling", await _ceiling(said))
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
        self._epoch_ns = self._window_from_ns = epoch_ns
        self._driver.begin(epoch_ns)
        self._due_ns = epoch_ns
        self._pulse.arm(epoch_ns)
        self._usage.take(now_ns())

    def stop(self) -> None:
        """End at once: what is in flight is counted as that."""
        self._stopped = True
        if not self._epoch_ns:
            self._done.set()

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
        assert self._driver is not None
        at_ns = now_ns()
        if self._done.is_set():
            return
        self._recorder.loop.append(at_ns - self._due_ns)
        self._due_ns = max(self._due_ns + PULSE_NS, at_ns)
        self._pulses += 1
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
        window.waiting = len(driver.waiting_since())
        window.users = driver.users
        window.cpu_share, window.cpu_wait_share, window.rss_bytes = self._usage.take(now_ns())
        self._parent.say("window", window.to_json())
        self._index += 1
        self._window_from_ns = to_ns

    def _end(self) -> None:
        driver = self._driver
        assert driver is not None
        at_ns = now_ns()
        out, waiting = driver.out_since(), driver.waiting_since()
        self._say_window(max(at_ns, self._window_from_ns + 1))
        driver.close()
        self._pulse.close()
        censored = Histogram()
        censored.record([at_ns - intended_ns for intended_ns in (*out, *waiting)])
        last_ns = driver.last_sent_ns if isinstance(driver, OpenDriver) else driver.last_ended_ns
        ending = Ending(
            len(out),
            len(waiting),
            censored.delta(),
            sending_s=max(0.0, (last_ns - self._epoch_ns) / NS),
            ended_s=(at_ns - self._epoch_ns) / NS,
            stopped=self._stopped,
            precise_timer=self._pulse.precise,
        )
        self._parent.say("end", ending.to_json())
        self._done.set()


async def build(plan: Plan, recorder: Recorder) -> Driver:
    """Return what drives this plan's share."""
    preparation = Preparation(plan)
    prepared = [await preparation.of(request) for request in plan.requests]
    load = plan.load
    if plan.scenario is not None:
        if not isinstance(load, Closed):
            raise Invalid("a scenario has users: --users, or --stress")
        made = scenario.load(plan.scenario)
        return ScenarioDriver(plan, load, preparation, mix(prepared, plan.share), recorder, made)
    if isinstance(load, Closed):
        return ClosedDriver(plan, load, preparation, mix(prepared, plan.share), recorder)
    arrivals = schedule.constant(load.stages, share=plan.share, shares=plan.shares)
    if load.arrival == "poisson":
        dice = random.Random(f"{load.seed} {plan.share}")
        arrivals = schedule.poisson(load.stages, lambda: dice.expovariate(1.0), shares=plan.shares)
    limit = plan.max_in_flight
    return OpenDriver(
        plan,
        arrivals,
        preparation,
        mix(prepared, load.seed + plan.share),
        recorder,
        connections=max(1, share_of(plan.connections, plan.share, plan.shares)),
        max_in_flight=None if limit is None else max(1, share_of(limit, plan.share, plan.shares)),
    )


async def _ceiling(where: dict[str, Any]) -> float:
    """Return how many requests a second one core can send: those sent, by the CPU time that they took."""
    request = Request(f"http://127.0.0.1:{where['port']}/")
    load = Closed((Step(CALIBRATE_USERS, where["for_s"]),))
    recorder = Recorder()
    driver = await build(Plan("calibration", (request,), load), recorder)
    began_s = time.process_time()
    driver.begin(now_ns())
    for _ in itertools.count():
        await asyncio.sleep(0.02)
        if driver.finished() and driver.idle():
            break
    recorder.fold()
    used_s = time.process_time() - began_s
    driver.close()
    return recorder.ok / used_s if recorder.ok else 0.0
