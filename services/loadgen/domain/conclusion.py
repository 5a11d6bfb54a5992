"""The end of a run: what it is judged by, and what the process ends with."""

from __future__ import annotations

from collections.abc import Sequence

from services.loadgen.domain.calibration import Calibration
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.plan import Closed, Plan
from services.loadgen.domain.result import Outcome, p99_s, seconds_of
from services.loadgen.domain.slo import Judged, Sliding, Slo, Stretch
from services.loadgen.domain.slo import judge as judge_slo
from services.loadgen.domain.steadiness import Steadiness
from services.loadgen.domain.steps import Steps
from services.loadgen.domain.times import times_of
from services.loadgen.domain.totals import Totals
from services.loadgen.domain.verdict import Health, judge


def conclude(
    plan: Plan,
    totals: Totals,
    ending: Ending,
    *,
    slos: Sequence[Slo],
    sliding: Sequence[Sliding],
    started_at: str,
    finished_at: str,
    calibration: Calibration | None,
    lost: Sequence[str],
    interrupted: bool,
    aborted: str,
    steps: Steps | None = None,
) -> Outcome:
    """Judge the measurement, and the target by its SLOs; settle the warm-up before, where that is wanted."""
    totals.settle()
    seconds = seconds_of(plan, ending, interrupted or bool(aborted))
    little = totals.little.check(ending.censored)
    settled = totals.steadiness() if plan.load.is_steady else Steadiness(None, reason="the load moves")
    response = times_of(totals.histograms["response"])
    steady = [row for row in totals.rows if not row.warmup]
    health = Health(
        open_model=plan.model == "open",
        balanced=bool(lost) or totals.balanced(ending.in_flight),
        lag_p99_s=p99_s(totals.histograms["lag"]),
        loop_p99_s=p99_s(totals.histograms["loop"]),
        response_p50_s=response.percentiles["p50"],
        cpu_shares=[row.cpu_share for row in steady],
        cpu_wait_shares=[row.cpu_wait_share for row in steady if row.to_s - row.from_s > 0.5],
        rate_per_worker=totals.counts["sent"] / seconds / plan.shares if seconds else 0.0,
        ceiling_per_worker=calibration.ceiling if calibration else None,
        offered=totals.counts["offered"],
        delivered=_delivered(plan, ending, cut_short=interrupted or bool(aborted)),
        unsent=ending.unsent if not interrupted else 0,
        own_faults=own_faults(totals),
        lost=lost,
        littles_law=None if lost else little.holds,
        unsteady=settled.reason if totals.sought_warmup and settled.steady is False else "",
    )
    return Outcome(
        plan,
        totals,
        ending,
        judge(health),
        judge_all(slos, sliding, totals, ending, seconds - totals.judged_from_s),
        started_at,
        finished_at,
        calibration,
        interrupted,
        aborted,
        little,
        settled,
        steps.results() if steps else (),
        steps.fit() if steps else None,
    )


def judge_all(
    slos: Sequence[Slo], sliding: Sequence[Sliding], totals: Totals, ending: Ending, seconds: float
) -> list[Judged]:
    """Judge every SLO of a run, or of a run so far."""
    worst = {one.slo.expression: one for one in sliding}
    return [
        worst[slo.expression].judged(totals.judged_from_s)
        if slo.over_s
        else judge_slo(
            slo,
            Stretch(
                totals.judged,
                totals.histograms[slo.of],
                seconds,
                ending.censored.count,
                ending.censored.max_ns,
            ),
        )
        for slo in slos
    ]


def _delivered(plan: Plan, ending: Ending, *, cut_short: bool) -> float:
    """Return the share of the planned rate: 0.5 where sending took twice as long as planned."""
    planned_s = plan.duration_s()
    if cut_short or planned_s is None or not ending.sending_s or isinstance(plan.load, Closed):
        return 1.0
    return min(1.0, planned_s / ending.sending_s)


def own_faults(totals: Totals) -> dict[str, int]:
    """Return the errors that were for want of something here."""
    number = totals.counts["own_faults"]
    names = ("no_descriptors", "no_ports", "no_buffers", "no_memory")
    found = {name: totals.errors[name] for name in names if totals.errors[name]}
    return found if number else {}


def exit_code(outcome: Outcome, *, regressed: bool, signalled: int | None) -> int:
    """Return what the process ends with; what makes the rest pointless goes first."""
    if signalled is not None:
        return 128 + signalled
    if not answered(outcome.totals):
        return 1
    if outcome.verdict.measurement == "invalid":
        return 4
    if any(judged.passed is False for judged in outcome.slos):
        return 3
    return 5 if regressed else 0


def answered(totals: Totals) -> bool:
    """Whether anything at all came back."""
    return any(totals.counts[end] for end in ("ok", "http_errors", "timeouts")) or not totals.counts["sent"]
