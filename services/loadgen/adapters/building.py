"""From a plan to what drives it; and the same machinery, driven as fast as it goes."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from atalaia.errors import Invalid
from services.loadgen.adapters import scenario
from services.loadgen.adapters.closed import ClosedDriver
from services.loadgen.adapters.connection import now_ns
from services.loadgen.adapters.driver import Driver
from services.loadgen.adapters.open import OpenDriver
from services.loadgen.adapters.prepared import Preparation, mix
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.adapters.scenario import ScenarioDriver
from services.loadgen.domain import schedule
from services.loadgen.domain.plan import Closed, Plan, Request, Step, share_of

CALIBRATE_USERS = 16


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


async def measure_ceiling(where: dict[str, Any]) -> float:
    """Return how many requests a second one core can send: those sent, by the CPU time that they took."""
    request = Request(f"http://127.0.0.1:{where['port']}/")
    load = Closed((Step(CALIBRATE_USERS, where["for_s"]),))
    recorder = Recorder()
    driver = await build(Plan("calibration", (request,), load), recorder)
    began_s = time.process_time()
    driver.begin(now_ns())
    while not (driver.finished() and driver.idle()):
        await asyncio.sleep(0.02)
    recorder.fold()
    used_s = time.process_time() - began_s
    driver.close()
    return recorder.ok / used_s if recorder.ok else 0.0
