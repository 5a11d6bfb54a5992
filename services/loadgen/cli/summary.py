"""The end of a run on a page of 80 × 24."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.loadgen.domain.result import Outcome, described
from services.loadgen.domain.spoken import range_text, time_text
from services.loadgen.domain.steps import StepResult
from services.loadgen.domain.times import Times
from services.loadgen.domain.usl import Fit

WIDTH = 80
COLUMNS = ("avg", "min", "p50", "p95", "p99", "p99.9", "max")


def summary(outcome: Outcome) -> str:
    """Return the summary, lines of at most 80 characters."""
    lines = [*_head(outcome), *_numbers(outcome), *_times(outcome)]
    if outcome.steps:
        lines += [*_generator(outcome), *_steps(outcome.steps, outcome.usl)]
    else:
        lines += [*_sure(outcome), *_generator(outcome), *_floor(outcome), *_steady(outcome)]
        if outcome.plan.model == "closed":
            lines.append("note        closed model: users wait; what others see of a slow target: --rps")
    lines += [*_judged(outcome), *_verdict(outcome)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(outcome: Outcome) -> Iterator[str]:
    plan = outcome.plan
    yield _cut(f"run {plan.run_id}  {plan.model} model: {described(plan)}")
    yield _cut(f"target      {plan.target}")


def _numbers(outcome: Outcome) -> Iterator[str]:
    counts = outcome.totals.counts
    rate, good = outcome.rate or 0.0, outcome.throughput or 0.0
    success = "–" if outcome.success_rate is None else f"{_percent(outcome.success_rate)}"
    megabytes = (outcome.bytes_rate or 0.0) / 1e6
    yield f"sent        {counts['sent']:<10,} rate {rate:,.1f}/s   success {success}"
    yield f"throughput  {good:,.1f} ok/s, {megabytes:.2f} MB/s"
    yield (
        f"books       ok {counts['ok']:,} + http errors {counts['http_errors']:,} + connection errors "
        f"{counts['connection_errors']:,}"
    )
    aside = {
        "waited": counts["waited"],
        "shed": counts["shed"],
        "never sent": outcome.ending.unsent,
    }
    yield _cut(
        f"            + timeouts {counts['timeouts']:,} + in flight {outcome.ending.in_flight:,}"
        + "".join(f"   {name} {number:,}" for name, number in aside.items() if number)
    )
    errors = {**_bad_statuses(outcome), **outcome.totals.errors}
    if errors:
        yield _cut("errors      " + ", ".join(f"{name} {number:,}" for name, number in errors.items()))
    checks = sorted({*outcome.totals.passed, *outcome.totals.failed})
    for name in checks[:3]:
        yield _cut(
            f"check       {name}: {outcome.totals.passed[name]:,} passed, "
            f"{outcome.totals.failed[name]:,} failed"
        )


def _bad_statuses(outcome: Outcome) -> dict[str, int]:
    return {status: number for status, number in outcome.totals.statuses.items() if int(status) >= 400}


def _times(outcome: Outcome) -> Iterator[str]:
    yield " " * 10 + "".join(f"{name:>10}" for name in COLUMNS)
    yield _row("response", outcome.response)
    yield _row("service", outcome.service)
    yield _row("latency", outcome.latency)
    marks = []
    if any(times.thin for times in (outcome.response, outcome.service)):
        marks.append("~ too few requests to support it")
    if outcome.response.at_least:
        marks.append("≥ at least: its rank is still out")
    if marks:
        yield "            " + ", ".join(marks)


def _sure(outcome: Outcome) -> Iterator[str]:
    known = {
        name: found for name, found in outcome.response.intervals.items() if name in ("p50", "p95", "p99")
    }
    if known:
        said = "   ".join(f"{name} {range_text(*found)}" for name, found in known.items())
        yield _cut(f"95 % sure   {said}")


def _row(name: str, times: Times) -> str:
    names = {"p50": "p50", "p95": "p95", "p99": "p99", "p99.9": "p999"}
    cells = []
    for column in COLUMNS:
        key = names.get(column)
        if key is None:
            value = {"avg": times.avg_s, "min": times.min_s, "max": times.max_s}[column]
            cells.append(time_text(value))
            continue
        mark = "≥" if key in times.at_least else "~" if key in times.thin else ""
        cells.append(mark + time_text(times.percentiles[key]))
    return f"{name:10}" + "".join(f"{cell:>10}" for cell in cells)


def _generator(outcome: Outcome) -> Iterator[str]:
    rows = outcome.totals.rows
    cpu = max((row.cpu_share for row in rows), default=0.0)
    parts = [f"lag p99 {time_text(outcome.lag_p99_s)}"] if outcome.lag_p99_s is not None else []
    parts += [f"loop p99 {time_text(outcome.loop_p99_s)}", f"cpu {cpu:.0%}"]
    rss = max((row.rss_bytes for row in rows), default=0)
    parts.append(f"{rss / 1e6:.0f} MB")
    if outcome.calibration and outcome.rate:
        ceiling = outcome.calibration.ceiling
        parts.append(f"{outcome.rate / outcome.plan.shares / ceiling:.1%} of its {ceiling / 1000:.0f}k/s")
    yield _cut("generator   " + "  ".join(parts))


def _floor(outcome: Outcome) -> Iterator[str]:
    known, little = outcome.calibration, outcome.little
    if known is not None:
        yield _cut(
            f"floor       p50 {time_text(known.floor_p50_s)}, p99 {time_text(known.floor_p99_s)}: "
            f"a server that does nothing{'; machine busy' if known.disturbed else ''}"
        )
    if little.holds is not None:
        yield _cut(
            f"little      in flight {little.in_flight:.3g} on average, rate × response "
            f"{little.rate_times_response:.3g}"
        )


def _steady(outcome: Outcome) -> Iterator[str]:
    found, warmup_s = outcome.steadiness, outcome.totals.warmup_s
    if not outcome.totals.sought_warmup and found.steady is not False:
        return
    warm = f"warm-up {warmup_s:g} s left out, then " if warmup_s else ""
    words = {True: "steady", False: f"not steady: {found.reason}", None: f"unknown: {found.reason}"}
    yield _cut(f"steadiness  {warm}{words[found.steady]}")


def _steps(steps: Sequence[StepResult], fitted: Fit | None) -> Iterator[str]:
    yield f"{'users':>9}{'ok/s':>12}{'avg':>12}{'p95':>12}{'p99':>12}{'failed':>10}"
    for step in steps:
        times = "".join(f"{time_text(value):>12}" for value in (step.avg_s, step.p95_s, step.p99_s))
        yield f"{step.users:>9}{step.throughput:>12,.1f}{times}{step.failed:>10,}"
    yield _cut("knee        " + knee_text(steps, fitted))


def knee_text(steps: Sequence[StepResult], fitted: Fit | None) -> str:
    """Return where throughput peaks, and the law's parameters; or why they are not known."""
    if fitted is None:
        return f"no fit: six levels with answers are needed, there are {len(steps)}"
    law = f"USL α {fitted.alpha:.3g} β {fitted.beta:.2g}, off by {fitted.residual:.0%}"
    if fitted.knee_users is None:
        return f"none within the tested range ({law})"
    peak = fitted.throughput(fitted.knee_users)
    sure = fitted.intervals.get("knee_users")
    between = f" [{sure[0]:.0f}–{sure[1]:.0f}]" if sure else ""
    return f"at {fitted.knee_users:.0f}{between} users, {peak:,.0f}/s ({law})"


def _judged(outcome: Outcome) -> Iterator[str]:
    words = {True: "pass", False: "MISS", None: "  – "}
    for judged in outcome.slos:
        value = "–" if judged.value is None else _slo_value(judged.slo.what, judged.value)
        yield _cut(
            f"slo         {words[judged.passed]}  {judged.slo.expression}   was {value}"
            + (f" ({judged.reason})" if judged.reason else "")
        )


def _slo_value(what: str, value: float) -> str:
    if what.endswith("_rate"):
        return _percent(value)
    return f"{value:,.1f}/s" if what in ("rate", "throughput") else time_text(value)


def _verdict(outcome: Outcome) -> Iterator[str]:
    if outcome.aborted:
        yield _cut(f"aborted     {outcome.aborted}")
    if outcome.interrupted:
        yield "interrupted: nothing is judged"
    verdict = outcome.verdict
    first, *rest = (*verdict.reasons, "")
    yield _cut(f"verdict     {verdict.measurement.upper()}  {first}")
    yield from (_cut(f"            {reason}") for reason in rest if reason)


def _percent(share: float) -> str:
    """Return a percentage that says 100 % only where it is."""
    text = f"{share * 100:.2f} %"
    if share < 1 and text.startswith("100"):
        return "99.99 %"
    return "0.01 %" if 0 < share < 0.0001 else text


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
