"""A report that is one file: numbers, charts as SVG, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.result import Outcome, described
from services.loadgen.domain.spoken import range_text, time_text
from services.loadgen.domain.steps import StepResult
from services.loadgen.domain.times import Times
from services.loadgen.domain.totals import Row

WIDTH, HEIGHT = 760, 180
LEFT, BOTTOM = 70, 22
MOST_POINTS = 800
COLOURS = ("#2463a6", "#c2571a", "#8a2a6b")
STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:800px;padding:0 1rem}
h1{font-size:1.3rem}h2{font-size:1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}
.verdict{padding:.5rem .8rem;border-left:6px solid #2a7d3f;background:#8881}
.suspect{border-color:#c78a00}.invalid{border-color:#b3261e}
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}
"""


def page(outcome: Outcome) -> str:
    """Return the report."""
    plan, verdict = outcome.plan, outcome.verdict
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    parts = [
        f"<h1>Load test {escape(plan.run_id)}</h1>",
        f"<p>{escape(plan.model)} model: {escape(described(plan))}<br>{escape(plan.target)}<br>"
        f"{escape(outcome.started_at)} to {escape(outcome.finished_at)}</p>",
        f'<div class="verdict {verdict.measurement}">Measurement: <b>{verdict.measurement}</b>'
        f"<ul>{reasons}</ul></div>",
        _slos(outcome),
        "<h2>Requests</h2>",
        _counts(outcome),
        "<h2>Times</h2>",
        _times(outcome),
        "<h2>The measurement itself</h2>",
        _measurement(outcome),
        *_charts(outcome.totals.rows),
        "<h2>Response time by percentile</h2>",
        _distribution(outcome.totals.histograms["response"]),
        _steps(outcome.steps),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>Load test {escape(plan.run_id)}</title><style>{STYLE}</style>"
        + "\n".join(parts)
        + "</html>\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rest = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{rest}</table>"


def _slos(outcome: Outcome) -> str:
    if not outcome.slos:
        return ""
    words = {True: "held", False: "missed", None: "not judged"}
    rows = [
        (
            judged.slo.expression,
            "–" if judged.value is None else f"{judged.value:.6g}",
            f"{words[judged.passed]} {judged.reason}".strip(),
        )
        for judged in outcome.slos
    ]
    return "<h2>SLOs</h2>" + _table(("expression", "value", ""), rows)


def _counts(outcome: Outcome) -> str:
    counts = outcome.totals.counts
    names = ("sent", "ok", "http_errors", "connection_errors", "timeouts", "shed")
    rows = [(name.replace("_", " "), f"{counts[name]:,}") for name in names]
    rows.append(("in flight at the end", f"{outcome.ending.in_flight:,}"))
    rows.append(("rate", f"{outcome.rate or 0:,.1f}/s"))
    rows.append(("throughput", f"{outcome.throughput or 0:,.1f} ok/s"))
    rows += [(f"error: {name}", f"{number:,}") for name, number in outcome.totals.errors.items()]
    return _table(("", ""), rows)


def _times(outcome: Outcome) -> str:
    def row(name: str, times: Times) -> Sequence[str]:
        values = [times.avg_s, times.min_s, *times.percentiles.values(), times.max_s]
        return (name, *(time_text(value) for value in values))

    head = ("", "avg", "min", *outcome.response.percentiles, "max")
    kinds = (("response", outcome.response), ("service", outcome.service), ("latency", outcome.latency))
    note = ""
    sure = ", ".join(f"{name} {range_text(*found)}" for name, found in outcome.response.intervals.items())
    if sure:
        note = f"<p>95 % sure of the response time: {escape(sure)}.</p>"
    if outcome.response.thin:
        note += f"<p>Too few requests to support {', '.join(outcome.response.thin)} of the response time.</p>"
    return _table(head, [row(name, times) for name, times in kinds]) + note


def _measurement(outcome: Outcome) -> str:
    known, little, steady = outcome.calibration, outcome.little, outcome.steadiness
    rows = [
        ("sends left late, p99", time_text(outcome.lag_p99_s)),
        ("the loop turned late, p99", time_text(outcome.loop_p99_s)),
        ("longest pause of the garbage collector", time_text(_most(outcome, lambda row: row.gc_pause_s))),
        ("share of its core, at most", f"{_most(outcome, lambda row: row.cpu_share):.0%}"),
        ("ready but without a core, at most", f"{_most(outcome, lambda row: row.cpu_wait_share):.0%}"),
        ("memory, at most", f"{_most(outcome, lambda row: row.rss_bytes) / 1e6:.0f} MB"),
        ("connections, at most", f"{_most(outcome, lambda row: row.connections):.0f}"),
    ]
    if known is not None:
        floor = f"p50 {time_text(known.floor_p50_s)}, p99 {time_text(known.floor_p99_s)}"
        rows += [("ceiling of a core here", f"{known.ceiling:,.0f}/s"), ("a server that does nothing", floor)]
    rows.append(("in flight on average", f"{little.in_flight:.3g}"))
    rows.append(("rate × response (Little's law)", f"{little.rate_times_response:.3g}"))
    words = {True: "steady", False: steady.reason, None: f"unknown: {steady.reason}"}
    rows.append((f"after {outcome.totals.warmup_s:g} s of warm-up", words[steady.steady]))
    return _table(("", ""), rows)


def _most(outcome: Outcome, pick: Callable[[Row], float]) -> float:
    return max(map(pick, outcome.totals.rows), default=0.0)


def _steps(steps: Sequence[StepResult]) -> str:
    if not steps:
        return ""
    rows = [
        (
            str(step.users),
            f"{step.throughput:,.1f}",
            time_text(step.avg_s),
            time_text(step.p95_s),
            time_text(step.p99_s),
            str(step.failed),
        )
        for step in steps
    ]
    points = [(float(step.users), step.throughput) for step in steps]
    return (
        "<h2>Throughput by users</h2>"
        + _chart([("ok/s", points)], lambda value: f"{value:,.0f}")
        + _table(("users", "ok/s", "avg", "p95", "p99", "failed"), rows)
    )


def _charts(rows: Sequence[Row]) -> list[str]:
    shown = rows[:: max(1, math.ceil(len(rows) / MOST_POINTS))]

    def line(pick: Callable[[Row], float | None]) -> list[tuple[float, float]]:
        return [(row.to_s, value) for row in shown if (value := pick(row)) is not None]

    def rate(row: Row) -> float:
        return row.ok / max(row.to_s - row.from_s, 0.05)

    def failed(row: Row) -> float:
        return row.http_errors + row.connection_errors + row.timeouts + row.shed

    return [
        "<h2>Throughput and failures a second</h2>",
        _chart([("ok/s", line(rate)), ("failed/s", line(failed))], lambda value: f"{value:,.0f}"),
        "<h2>Response time</h2>",
        _chart(
            [
                ("p50", line(lambda row: row.p50_s)),
                ("p99", line(lambda row: row.p99_s)),
                ("max", line(lambda row: row.max_s)),
            ],
            time_text,
        ),
        "<h2>Generator: lateness of sends (p99)</h2>",
        _chart([("lag p99", line(lambda row: row.lag_p99_s))], time_text),
    ]


def _distribution(histogram: Histogram) -> str:
    if not histogram.count:
        return "<p>Nothing was recorded.</p>"
    nines = math.log10(max(histogram.count, 10))
    steps = [step * nines / 60 for step in range(61)]
    points = [(step, (histogram.quantile_ns(1 - 10**-step) or 0.0) / 1e9) for step in steps]
    return _chart([("", points)], time_text, lambda nine: f"{100 * (1 - 10**-nine):.5g} %")


def _chart(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    said: Callable[[float], str],
    at: Callable[[float], str] = lambda x: f"{x:g}",
) -> str:
    """Return lines over a common axis; `said` writes a value, `at` a place on the axis."""
    points = [point for _, line in lines for point in line]
    if not points:
        return "<p>Nothing was recorded.</p>"
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        across = LEFT + (x - low) / ((high - low) or 1.0) * (WIDTH - LEFT - 10)
        return f"{across:.1f},{(HEIGHT - BOTTOM) - y / top * (HEIGHT - BOTTOM - 12):.1f}"

    drawn = []
    for number, (name, line) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in line)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')
        drawn.append(f'<text x="{LEFT + 8 + 90 * number}" y="10" style="fill:{colour}">{escape(name)}</text>')
    base = HEIGHT - BOTTOM
    axes = (
        f'<path d="M{LEFT} 12V{base}H{WIDTH - 10}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
        f'<text x="{LEFT - 6}" y="20" text-anchor="end">{escape(said(top))}</text>'
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{escape(at(low))}</text>'
        f'<text x="{WIDTH - 10}" y="{HEIGHT - 6}" text-anchor="end">{escape(at(high))}</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{axes}{"".join(drawn)}</svg>'
