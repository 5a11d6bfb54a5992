"""From a plan to what drives it; and the same machinery, driven as fast as it goes."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from services.loadgen.adapters import scenario
from services.loadgen.adapters.closed import ClosedDriver
from services.loadgen.adapters.connection import now_ns
from services.loadgen.adapters.driver import NS, Driver
from services.loadgen.adapters.open import OpenDriver
from services.loadgen.adapters.prepared import Preparation, mix
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.adapters.scripted import ClosedScenario, OpenScenario
from services.loadgen.adapters.usage import Usage
from services.loadgen.domain import schedule
from services.loadgen.domain.calibration import FLOOR_RPS, Calibration
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.plan import Closed, Open, Plan, Request, Stage, Step, share_of
from services.loadgen.domain.window import Window

CALIBRATE_USERS = 16
DISTURBED = 0.05  # of the time ready but without a CPU


async def build(plan: Plan, recorder: Recorder) -> Driver:
    """Return what drives this plan's share."""
    preparation = Preparation(plan)
    prepared = [await preparation.of(request) for request in plan.requests]
    load = plan.load
    script = scenario.load(plan.scenario) if plan.scenario is not None else None
    if isinstance(load, Closed):
        if script is not None:
            return ClosedScenario(plan, load, preparation, recorder, script)
        return ClosedDriver(plan, load, preparation, mix(prepared, plan.share), recorder)
    arrivals = schedule.constant(load.stages, share=plan.share, shares=plan.shares)
    if load.arrival == "poisson":
        dice = random.Random(f"{load.seed} {plan.share}")
        arrivals = schedule.poisson(load.stages, lambda: dice.expovariate(1.0), shares=plan.shares)
    connections = max(1, share_of(plan.connections, plan.share, plan.shares))
    limit = plan.max_in_flight
    if limit is not None:
        limit = max(1, share_of(limit, plan.share, plan.shares))
    if script is not None:
        return OpenScenario(
            plan, arrivals, preparation, recorder, script, connections=connections, max_in_flight=limit
        )
    mixture = mix(prepared, load.seed + plan.share)
    return OpenDriver(
        plan, arrivals, preparation, mixture, recorder, connections=connections, max_in_flight=limit
    )


async def calibrate(where: dict[str, Any]) -> Calibration | None:
    """Drive the null server at that port: as fast as it goes, then evenly; None where nothing came back."""
    url = f"http://127.0.0.1:{where['port']}/"
    began_s = time.process_time()
    fast = await _driven(url, Closed((Step(CALIBRATE_USERS, where["ceiling_s"]),)))
    used_s = time.process_time() - began_s
    usage = Usage()
    even = await _driven(url, Open((Stage(where["floor_s"], FLOOR_RPS, FLOOR_RPS),)))
    used = usage.take(now_ns())
    usage.close()
    response = Histogram()
    response.add(even.histogram("response"))
    p50, p99 = response.quantile_ns(0.5), response.quantile_ns(0.99)
    if not fast.counts["ok"] or p50 is None or p99 is None:
        return None
    return Calibration(fast.counts["ok"] / used_s, p50 / NS, p99 / NS, used.cpu_wait_share > DISTURBED)


async def _driven(url: str, load: Closed | Open) -> Window:
    """Return what happened under a load, in one window."""
    recorder = Recorder()
    driver = await build(Plan("calibration", (Request(url),), load), recorder)
    driver.begin(now_ns())
    while not (driver.finished() and driver.idle()):
        await asyncio.sleep(0.02)
    driver.close()
    return recorder.take(0, 0.0, 1.0)
