"""What a target must hold: `p99<250ms`, `error_rate<1%`, `p95<100ms over 10s`."""

from __future__ import annotations

import operator
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atalaia.errors import Invalid
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.times import needed, quantile_of
from services.loadgen.domain.window import Window, together

NS = 1e9
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01, "": 1.0}
RATIOS = ("error_rate", "success_rate")
RATES = ("rate", "throughput")
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXPRESSION = re.compile(
    r"(?:(?P<of>response|service|latency)\.)?"
    r"(?P<what>p\d{1,2}(?:\.\d+)?|avg|min|max|error_rate|success_rate|rate|throughput)"
    r"\s*(?P<op><=|>=|<|>)\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%)?"
    r"(?:\s+over\s+(?P<over>\d+)\s*s)?"
)
EXAMPLES = "'p99<250ms', 'error_rate<1%', 'rate>100', 'service.p95<100ms', 'p95<100ms over 10s'"


@dataclass(frozen=True, slots=True)
class Slo:
    """One expression. `limit` is in seconds, as a ratio, or per second."""

    expression: str
    of: str
    what: str
    op: str
    limit: float
    over_s: int | None = None

    @property
    def quantile(self) -> float | None:
        return float(self.what[1:]) / 100 if self.what[0] == "p" and self.what[1].isdigit() else None

    def holds(self, value: float) -> bool:
        return HOLDS[self.op](value, self.limit)


@dataclass(frozen=True, slots=True)
class Judged:
    """An SLO after the run: `passed` is None where the sample does not support a judgement."""

    slo: Slo
    value: float | None
    passed: bool | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "expression": self.slo.expression,
            "value": self.value,
            "pass": self.passed,
        }
        return found | ({"reason": self.reason} if self.reason else {})


def parse(text: str) -> Slo:
    """Return the SLO that an expression means.

    Raises:
        Invalid: says what was not understood, with examples.
    """
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"--slo {text!r} is not understood; for example {EXAMPLES}")
    what, unit = match["what"], match["unit"] or ""
    is_time = what not in (*RATIOS, *RATES)
    fits = {True: unit in ("us", "ms", "s"), False: unit == ("%" if what in RATIOS else "")}[is_time]
    if not fits:
        wanted = "us, ms or s" if is_time else "%" if what in RATIOS else "none: it is per second"
        raise Invalid(f"--slo {text!r}: the unit of {what} is {wanted}")
    if what.startswith("p") and what[1:].strip("0.") == "":
        raise Invalid(f"--slo {text!r}: the 0th percentile is min")
    over = match["over"]
    if over == "0":
        raise Invalid(f"--slo {text!r}: a window has at least one second")
    return Slo(
        text.strip(),
        match["of"] or "response",
        what,
        match["op"],
        float(match["limit"]) * UNITS[unit],
        int(over) if over else None,
    )


@dataclass(slots=True)
class Stretch:
    """What an SLO is asked about: the whole run, or a sliding window of it."""

    counts: dict[str, int]
    histogram: Histogram
    seconds: float
    out: int = 0
    oldest_out_ns: int = 0


def judge(slo: Slo, stretch: Stretch) -> Judged:
    """Judge one stretch of time."""
    counts = stretch.counts
    ended = sum(counts.get(end, 0) for end in ("ok", "http_errors", "connection_errors", "timeouts"))
    failed = ended - counts.get("ok", 0) + counts.get("shed", 0)
    value: float | None = None
    thin = ""
    match slo.what:
        case "error_rate" | "success_rate":
            total = ended + counts.get("shed", 0)
            if total:
                value = failed / total if slo.what == "error_rate" else 1 - failed / total
        case "rate":
            value = counts.get("sent", 0) / stretch.seconds if stretch.seconds else None
        case "throughput":
            value = counts.get("ok", 0) / stretch.seconds if stretch.seconds else None
        case "avg":
            mean = stretch.histogram.mean_ns()
            value = None if mean is None else mean / NS
        case "min" | "max" if stretch.histogram.count:
            value = (stretch.histogram.min_ns if slo.what == "min" else stretch.histogram.max_ns) / NS
        case _:
            q = slo.quantile
            if q is not None:
                out = stretch.out if slo.of == "response" else 0
                value, _ = quantile_of(stretch.histogram, q, out, stretch.oldest_out_ns)
                if stretch.histogram.count + out < needed(q):
                    thin = f"needs {needed(q)} requests, had {stretch.histogram.count + out}"
    if value is None:
        return Judged(slo, None, None, "nothing to judge")
    if thin:
        return Judged(slo, value, None, thin)
    return Judged(slo, value, slo.holds(value))


class Sliding:
    """One SLO over a sliding window: judges each stretch; the worst of them counts."""

    def __init__(self, slo: Slo) -> None:
        assert slo.over_s is not None
        self.slo = slo
        self._over_s = slo.over_s
        self._windows: deque[Window] = deque()
        self._stretches: list[tuple[float, Judged]] = []

    def add(self, window: Window) -> None:
        self._windows.append(window)
        while self._windows[0].from_s < window.to_s - self._over_s - 1e-6:
            self._windows.popleft()
        if window.to_s - self._windows[0].from_s < self._over_s - 1e-6:
            return  # not a whole stretch yet
        whole = together(list(self._windows))
        histogram = Histogram()
        histogram.add(whole.histogram(self.slo.of))
        judged = judge(self.slo, Stretch(whole.counts, histogram, whole.to_s - whole.from_s))
        self._stretches.append((whole.from_s, judged))

    def _worse(self, one: Judged, than: Judged) -> bool:
        if one.passed is None or than.passed is None:
            return than.passed is None and one.passed is not None
        assert one.value is not None and than.value is not None
        return one.value > than.value if self.slo.op in ("<", "<=") else one.value < than.value

    def judged(self, after_s: float = 0.0) -> Judged:
        """Return the worst of the stretches that begin at `after_s` or later."""
        worst: Judged | None = None
        for from_s, judged in self._stretches:
            if from_s >= after_s - 1e-6 and (worst is None or self._worse(judged, worst)):
                worst = judged
        return worst or Judged(self.slo, None, None, f"the run was shorter than {self._over_s} s")
