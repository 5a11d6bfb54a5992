"""`--find-capacity`: trial after trial, until the search knows."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import sys

from services.loadgen.cli.options import Options
from services.loadgen.cli.testing import Signals, once
from services.loadgen.domain.capacity import Found, Trial, step
from services.loadgen.domain.plan import Open, Plan, Stage
from services.loadgen.domain.times import needed

NO_CAP_RPS = 1e6
MARGIN = 1.1
LONGEST_TRIAL_S = 120.0
EXIT = {"slo": 0, "cap": 0, "generator_limit": 4, "nothing_holds": 3}
WORDS = {
    "slo": "the next rate missed an SLO twice",
    "cap": "the search was allowed no more (--max-rps)",
    "generator_limit": "the generator was the limit, so the target's capacity is not known: try --workers",
    "nothing_holds": "no rate holds the SLOs",
}


async def find_capacity(options: Options) -> int:
    """Search, saying each trial on standard error; return the exit code."""
    stopping = asyncio.Event()
    signals = Signals(stopping)
    first = options.plan.load
    assert isinstance(first, Open)
    cap = options.most_rps or NO_CAP_RPS
    trials: list[Trial] = []
    while not isinstance(following := step(trials, min(first.most_rps, cap), cap), Found):
        plan = _at(options, first, following.rps, len(trials))
        outcome = await once(options, plan, stopping)
        if signals.number is not None:
            return 128 + signals.number
        ceiling = outcome.calibration.ceiling if outcome.calibration else math.inf
        limited = outcome.verdict.measurement == "invalid" or following.rps > 0.7 * ceiling * options.workers
        held = not any(judged.passed is False for judged in outcome.slos)
        trials.append(Trial(following.rps, held, limited))
        seen = ", ".join(f"{judged.slo.what} {judged.value:.4g}" for judged in outcome.slos if judged.value)
        word = "generator limit" if limited else "holds" if held else "misses"
        sys.stderr.write(f"{following.rps:>12,.1f}/s  {word}   {seen}\n")
    found = following
    if found.capacity_rps is not None:
        sys.stdout.write(
            f"capacity    {found.capacity_rps:,.1f}/s hold {', '.join(s.expression for s in options.slos)}\n"
        )
    sys.stdout.write(f"stopped     {found.reason}: {WORDS[found.reason]}; {len(trials)} trials\n")
    return EXIT[found.reason]


def _at(options: Options, first: Open, rps: float, number: int) -> Plan:
    """Return a trial at a rate, long enough for the SLOs to be judged."""
    quantiles = [slo.quantile for slo in options.slos if slo.quantile is not None]
    requests = max((needed(q) for q in quantiles), default=1)
    length_s = min(max(first.duration_s, MARGIN * requests / rps), LONGEST_TRIAL_S)
    load = Open((Stage(length_s, rps, rps),), first.arrival, first.seed)
    return dataclasses.replace(options.plan, load=load, run_id=f"{options.plan.run_id}-{number}")
