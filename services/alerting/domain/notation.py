"""How a rule test writes what a series does, one token after another, one value for each step.

    0.9          one value               0.9x5     five times
    0+5x10       ten values: 0, 5 … 45   +50x3     three more, each 50 above the one before
    _  _x3       the series is not in the message (and where nothing is, there is no message)

Of histograms a step is a list of durations: `0.1,3x5` or, with counts, `200ms*95,3s*5`; `.` is a
step without events.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from atalaia.errors import Invalid
from atalaia.events.metrics import HistogramDelta
from atalaia.stats import Histogram

MOST_STEPS = 100_000
_NUMBER = r"\d+(?:\.\d+)?(?:e-?\d+)?"
_VALUES = re.compile(rf"(-?{_NUMBER})?(?:([+-])({_NUMBER}))?(?:x(\d+))?")
_TIMES = re.compile(r"([^x]+)(?:x(\d+))?")
_DURATION = re.compile(rf"({_NUMBER})(ms|s)?(?:\*(\d+))?")


def values(text: str) -> list[float | None]:
    """Return the values of a gauge or a counter; None where it is not in the message.

    Raises:
        Invalid: names the token that is not one.
    """
    found: list[float | None] = []
    last: Decimal | None = None
    for token in _tokens(text):
        gap = _gap(token)
        if gap is not None:
            found += [None] * _bounded(token, gap, found)
            continue
        match = _VALUES.fullmatch(token)
        if match is None:
            raise Invalid(f"{token!r} is no value; write 0.9, 0.9x5, 0+5x10, +5x10 or _")
        begin, sign, step, times = match.groups()
        by = Decimal(f"{sign}{step}") if step else Decimal(0)
        if begin is None:
            if last is None:
                raise Invalid(f"{token!r} goes on from the value before it, and there is none")
            last += by
        else:
            last = Decimal(begin)
        ramp = [last + by * position for position in range(_bounded(token, int(times or 1), found))]
        if not all(math.isfinite(float(one)) for one in ramp):
            raise Invalid(f"{token!r} is beyond what a number can be")
        found += map(float, ramp)
        last = ramp[-1]
    return found


def durations(text: str) -> list[HistogramDelta | None]:
    """Return what a histogram holds at each step, in seconds; None where it is not in the message.

    Raises:
        Invalid: names the token that is not one.
    """
    found: list[HistogramDelta | None] = []
    for token in _tokens(text):
        gap = _gap(token)
        if gap is not None:
            found += [None] * _bounded(token, gap, found)
            continue
        match = _TIMES.fullmatch(token)
        if match is None:
            raise Invalid(f"{token!r} is no list of durations; write 0.1,0.2x5 or 200ms*95,3s*5 or . or _")
        happened, times = match.groups()
        found += [_delta(token, happened)] * _bounded(token, int(times or 1), found)
    return found


def _delta(token: str, happened: str) -> HistogramDelta:
    histogram = Histogram()
    for one in [] if happened == "." else happened.split(","):
        match = _DURATION.fullmatch(one)
        if match is None:
            raise Invalid(
                f"{one!r} in {token!r} is no duration; write 0.2, 200ms, or 200ms*95 for 95 of them"
            )
        number, unit, count = match.groups()
        seconds = Decimal(number) * (Decimal("0.001") if unit == "ms" else 1)
        if not math.isfinite(float(seconds) * int(count or 1)):
            raise Invalid(f"{one!r} is beyond what a duration can be")
        if int(count or 1):
            histogram.record(float(seconds), int(count or 1))
    return HistogramDelta.of(histogram)


def _tokens(text: str) -> list[str]:
    tokens = text.split()
    if not tokens:
        raise Invalid("is empty; a series needs a value, or _, for each step")
    return tokens


def _gap(token: str) -> int | None:
    match = re.fullmatch(r"_(?:x(\d+))?", token)
    return int(match[1] or 1) if match else None


def _bounded(token: str, times: int, before: list[float | None] | list[HistogramDelta | None]) -> int:
    if times < 1:
        raise Invalid(f"{token!r}: at least once")
    if len(before) + times > MOST_STEPS:
        raise Invalid(f"{token!r}: a series has at most {MOST_STEPS} steps")
    return times
