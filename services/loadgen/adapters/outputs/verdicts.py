"""What CI tools read: JUnit XML, and k6's summary, which GitLab's load-performance widget takes."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as xml

from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.result import Outcome

MS = 1e6


def junit(outcome: Outcome) -> str:
    """Return a suite with a case for the measurement and one for each SLO.

    An invalid measurement is an error, a missed SLO a failure, one that cannot be judged is skipped.
    """
    invalid = outcome.verdict.measurement == "invalid"
    missed = sum(judged.passed is False for judged in outcome.slos)
    suite = xml.Element(
        "testsuite",
        name="loadgen",
        tests=str(1 + len(outcome.slos)),
        failures=str(missed),
        errors=str(int(invalid)),
        skipped=str(sum(judged.passed is None for judged in outcome.slos)),
        time=f"{outcome.seconds:.3f}",
        timestamp=outcome.started_at,
    )
    properties = xml.SubElement(suite, "properties")
    counts = outcome.totals.counts
    numbers = {
        "run_id": outcome.plan.run_id,
        "target": outcome.plan.target,
        "sent": counts["sent"],
        "ok": counts["ok"],
        "rate": outcome.rate,
        "success_rate": outcome.success_rate,
        **{f"response_{name}_s": value for name, value in outcome.response.percentiles.items()},
    }
    for name, value in numbers.items():
        xml.SubElement(properties, "property", name=name, value="" if value is None else str(value))
    measured = xml.SubElement(suite, "testcase", classname="loadgen", name="measurement")
    if invalid:
        error = xml.SubElement(measured, "error", message="the measurement is invalid")
        error.text = "\n".join(outcome.verdict.reasons)
    elif outcome.verdict.reasons:
        xml.SubElement(measured, "system-out").text = "\n".join(outcome.verdict.reasons)
    for judged in outcome.slos:
        case = xml.SubElement(suite, "testcase", classname="loadgen.slo", name=judged.slo.expression)
        if judged.passed is False:
            xml.SubElement(case, "failure", message=f"{judged.slo.expression}: was {judged.value}")
        elif judged.passed is None:
            xml.SubElement(case, "skipped", message=judged.reason)
    xml.indent(suite)
    return xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def k6(outcome: Outcome) -> dict[str, Any]:
    """Return k6's end-of-test summary (handleSummary, legacy form): milliseconds, its own metric names."""
    counts, seconds = outcome.totals.counts, outcome.seconds or 1.0
    histograms = outcome.totals.histograms
    failed = sum(counts[end] for end in ("http_errors", "connection_errors", "timeouts"))
    checks = {
        name: {
            "name": name,
            "path": f"::{name}",
            "id": name,
            "passes": outcome.totals.passed[name],
            "fails": outcome.totals.failed[name],
        }
        for name in sorted({*outcome.totals.passed, *outcome.totals.failed})
    }
    passes, fails = outcome.totals.passed.total(), outcome.totals.failed.total()
    metrics: dict[str, Any] = {
        "http_reqs": {"count": counts["sent"], "rate": counts["sent"] / seconds},
        "iterations": {"count": counts["sent"], "rate": counts["sent"] / seconds},
        "http_req_failed": {
            "passes": failed,
            "fails": counts["ok"],
            "value": failed / (failed + counts["ok"]) if failed + counts["ok"] else 0,
        },
        "http_req_duration": _trend(histograms["service"]),
        "http_req_waiting": _trend(histograms["latency"]),
        "http_req_connecting": _trend(histograms["connect"]),
        "atalaia_response": _trend(histograms["response"]),
        "data_received": {"count": counts["bytes_received"], "rate": counts["bytes_received"] / seconds},
        "dropped_iterations": {"count": counts["shed"], "rate": counts["shed"] / seconds},
    }
    if checks:
        metrics["checks"] = {"passes": passes, "fails": fails, "value": passes / (passes + fails)}
    for judged in outcome.slos:
        metrics["atalaia_response"].setdefault("thresholds", {})[judged.slo.expression] = (
            judged.passed is False
        )
    return {
        "metrics": metrics,
        "root_group": {
            "name": "",
            "path": "",
            "id": "d41d8cd98f00b204e9800998ecf8427e",
            "groups": {},
            "checks": checks,
        },
    }


def _trend(histogram: Histogram) -> dict[str, float]:
    if not histogram.count:
        return {"avg": 0, "min": 0, "med": 0, "max": 0, "p(90)": 0, "p(95)": 0, "p(99)": 0}
    quantiles = {"med": 0.5, "p(90)": 0.9, "p(95)": 0.95, "p(99)": 0.99}
    return {
        "avg": (histogram.mean_ns() or 0.0) / MS,
        "min": histogram.min_ns / MS,
        "max": histogram.max_ns / MS,
        **{name: (histogram.quantile_ns(q) or 0.0) / MS for name, q in quantiles.items()},
    }
