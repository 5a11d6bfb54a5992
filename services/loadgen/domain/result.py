"""A run's result: the fields that CONTRACT.md names, and what else there is to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.loadgen.domain.calibration import FLOOR_RPS, Calibration
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.little import LittlesLaw
from services.loadgen.domain.plan import Closed, Open, Plan
from services.loadgen.domain.slo import Judged
from services.loadgen.domain.steadiness import Steadiness
from services.loadgen.domain.steps import StepResult
from services.loadgen.domain.times import Times, times_of
from services.loadgen.domain.totals import Totals
from services.loadgen.domain.usl import Fit
from services.loadgen.domain.verdict import Verdict

NS = 1e9
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything known after a run."""

    plan: Plan
    totals: Totals
    ending: Ending
    verdict: Verdict
    slos: Sequence[Judged]
    started_at: str
    finished_at: str
    calibration: Calibration | None
    interrupted: bool
    aborted: str
    little: LittlesLaw
    steadiness: Steadiness
    steps: Sequence[StepResult] = ()
    usl: Fit | None = None
    response: Times = field(init=False)
    service: Times = field(init=False)
    latency: Times = field(init=False)

    def __post_init__(self) -> None:
        out, oldest_ns = self.ending.censored.count, self.ending.censored.max_ns
        histograms = self.totals.histograms
        set_once = object.__setattr__
        response, service = self.totals.blocks("response"), self.totals.blocks("service")
        set_once(
            self,
            "response",
            times_of(histograms["response"], out=out, oldest_out_ns=oldest_ns, blocks=response),
        )
        set_once(self, "service", times_of(histograms["service"], blocks=service))
        set_once(self, "latency", times_of(histograms["latency"]))

    @property
    def ended(self) -> int:
        counts = self.totals.counts
        return sum(counts[end] for end in ("ok", "http_errors", "connection_errors", "timeouts"))

    @property
    def success_rate(self) -> float | None:
        total = self.ended + self.totals.counts["shed"]
        return self.totals.counts["ok"] / total if total else None

    @property
    def seconds(self) -> float:
        return seconds_of(self.plan, self.ending, self.interrupted or bool(self.aborted))

    @property
    def judged_seconds(self) -> float:
        return max(self.seconds - self.totals.judged_from_s, 0.0)

    @property
    def rate(self) -> float | None:
        return self.totals.judged["sent"] / self.judged_seconds if self.judged_seconds else None

    @property
    def throughput(self) -> float | None:
        return self.totals.judged["ok"] / self.judged_seconds if self.judged_seconds else None

    @property
    def bytes_rate(self) -> float | None:
        received = self.totals.judged["bytes_received"]
        return received / self.judged_seconds if self.judged_seconds else None

    @property
    def lag_p99_s(self) -> float | None:
        return p99_s(self.totals.histograms["lag"])

    @property
    def loop_p99_s(self) -> float | None:
        return p99_s(self.totals.histograms["loop"])

    def to_json(self) -> dict[str, Any]:
        counts, totals = self.totals.counts, self.totals
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.plan.run_id,
            "target": self.plan.target,
            "model": self.plan.model,
            "load": described(self.plan),
            "settings": settings_of(self.plan),
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "duration_s": self.seconds,
            "warmup_s": totals.warmup_s,
            "interrupted": self.interrupted,
            "aborted": self.aborted,
            "offered": counts["offered"] or counts["sent"],
            "sent": counts["sent"],
            "ok": counts["ok"],
            "http_errors": counts["http_errors"],
            "connection_errors": counts["connection_errors"],
            "timeouts": counts["timeouts"],
            "in_flight": self.ending.in_flight,
            "shed": counts["shed"],
            "waited": counts["waited"],
            "unsent": self.ending.unsent,
            "success_rate": self.success_rate,
            "rate": self.rate,
            "throughput": self.throughput,
            "bytes_per_s": self.bytes_rate,
            "response": self.response.to_json(),
            "service": self.service.to_json(),
            "latency": self.latency.to_json(),
            "connect": times_of(totals.histograms["connect"]).to_json(),
            "failures": times_of(totals.histograms["failures"]).to_json(),
            "errors": dict(totals.errors),
            "statuses": dict(totals.statuses),
            "checks": {
                name: {"passed": totals.passed[name], "failed": totals.failed[name]}
                for name in sorted({*totals.passed, *totals.failed})
            },
            "generator": {
                "lag_p99_s": self.lag_p99_s,
                "loop_p99_s": self.loop_p99_s,
                "cpu_share": max((row.cpu_share for row in totals.rows), default=None),
                "cpu_wait_share": max((row.cpu_wait_share for row in totals.rows), default=None),
                "rss_bytes": max((row.rss_bytes for row in totals.rows), default=None),
                "connections": max((row.connections for row in totals.rows), default=None),
                "gc_pause_s": max((row.gc_pause_s for row in totals.rows), default=None),
                "retransmits": sum(row.retransmits for row in totals.rows),
                "ceiling_per_core": self.calibration.ceiling if self.calibration else None,
                "floor": self._floor(),
                "workers": self.plan.shares,
                "precise_timer": self.ending.precise_timer,
            },
            "littles_law": self.little.to_json(),
            "steadiness": self.steadiness.to_json(),
            "verdict": self.verdict.to_json(),
            "slo": [judged.to_json() for judged in self.slos],
            **self._stress(),
        }

    def _stress(self) -> dict[str, Any]:
        if not self.steps:
            return {}
        return {"steps": [step.to_json() for step in self.steps], "usl": self.usl and self.usl.to_json()}

    def _floor(self) -> dict[str, float | bool] | None:
        found = self.calibration
        if found is None:
            return None
        return {
            "p50_s": found.floor_p50_s,
            "p99_s": found.floor_p99_s,
            "rps": FLOOR_RPS,
            "disturbed": found.disturbed,
        }


def seconds_of(plan: Plan, ending: Ending, cut_short: bool) -> float:
    """Return how long the load lasted: the schedule where it was kept, else until the last request."""
    planned_s = plan.duration_s()
    if planned_s is None or (isinstance(plan.load, Closed) and plan.load.requests_each is not None):
        return ending.sending_s
    if cut_short:
        return min(ending.ended_s, max(planned_s, ending.sending_s))
    return max(planned_s, ending.sending_s) if isinstance(plan.load, Open) else planned_s


def settings_of(plan: Plan) -> dict[str, Any]:
    """Return what else it takes to run this again; no headers and bodies, for they hold secrets."""
    load = plan.load
    arrivals = {"arrival": load.arrival, "seed": load.seed} if isinstance(load, Open) else {}
    return {
        **arrivals,
        "connections": plan.connections,
        "timeout_s": plan.timeout_s,
        "keep_alive": plan.keep_alive,
        "follow_redirects": plan.follow_redirects,
        "max_in_flight": plan.max_in_flight,
        "scenario": plan.scenario,
    }


def described(plan: Plan) -> str:
    """Return the load in words."""
    load = plan.load
    if isinstance(load, Closed):
        first, last = load.steps[0], load.steps[-1]
        if len(load.steps) > 1:
            return f"{first.users} to {last.users} users, {last.duration_s:g} s a step"
        each = f", {load.requests_each} requests each" if load.requests_each is not None else ""
        return f"{first.users} users{each}" + (f", {first.duration_s:g} s" if first.duration_s else "")
    rates = [load.stages[0].from_rps, *(stage.to_rps for stage in load.stages)]
    spoken = f"{rates[0]:g}" if len(set(rates)) == 1 else " to ".join(f"{rate:g}" for rate in rates)
    return f"{load.arrival} arrivals, {spoken}/s, {load.duration_s:g} s"


def p99_s(histogram: Histogram) -> float | None:
    value = histogram.quantile_ns(0.99)
    return None if value is None else value / NS
