"""Durations, rates and stages as people write them, and times as they read them."""

from __future__ import annotations

import re

from atalaia.errors import Invalid
from services.loadgen.domain.plan import Stage, Step

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
LONGEST_S = 7 * 86400.0


def duration_s(text: str) -> float:
    """Return seconds: `30`, `30s`, `5m`, `8h`, `1h30m`, `500ms`.

    Raises:
        Invalid: it is none of these, nothing at all, or longer than a week.
    """
    found = list(_DURATION.finditer(text.strip()))
    if not found or "".join(one.group(0) for one in found) != text.strip():
        raise Invalid(f"{text!r} is no duration; write 30 (seconds), 30s, 5m, 8h or 1h30m")
    if len(found) > 1 and any(not one.group(2) for one in found):
        raise Invalid(f"{text!r} is no duration: a number in it has no unit")
    total = sum(float(number) * _UNITS_S[unit] for number, unit in (one.groups() for one in found))
    if not 0 < total <= LONGEST_S:
        raise Invalid(f"{text!r} is no duration of a run: more than 0, at most a week")
    return total


def rates(text: str) -> tuple[float, float]:
    """Return (from, to) of `50` or `10:100`."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or not all(0 <= n < 1e7 for n in numbers) or not any(numbers):
        raise Invalid(f"{text!r} is no rate; write 50 (a second) or 10:100 (a ramp)")
    return numbers[0], numbers[-1]


def share(text: str) -> float:
    """Return 0.1 of `10%`.

    Raises:
        Invalid: it is no percentage of more than nothing.
    """
    try:
        found = float(text.rstrip("%")) / 100
    except ValueError:
        found = 0.0
    if not 0 < found < 10:
        raise Invalid(f"{text!r} is no percentage; write 10%")
    return found


def stages(text: str) -> tuple[Stage, ...]:
    """Return the stages of `30s:50,1m:200,30s:0`: from the rate before, in that time, to that rate."""
    found: list[Stage] = []
    before = 0.0
    for part in text.split(","):
        length, colon, rate = part.strip().partition(":")
        if not colon:
            raise Invalid(f"{part.strip()!r} is no stage; write DURATION:RATE, as in 30s:50,1m:200")
        after = rates(rate)[0] if rate.strip(" 0.") else 0.0
        found.append(Stage(duration_s(length), before, after))
        before = after
    if not any(stage.to_rps for stage in found):
        raise Invalid(f"{text!r}: no stage has a rate")
    return tuple(found)


def stress_steps(most_users: int, step_s: float) -> tuple[Step, ...]:
    """Return 1, 2, 4, … users, doubled until `most_users`, which is the last step."""
    users = [1 << power for power in range(most_users.bit_length()) if 1 << power < most_users]
    return tuple(Step(number, step_s) for number in (*users, most_users))


def time_text(seconds: float | None) -> str:
    """Return a time in the unit that suits it, three digits or so."""
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.9995 or unit == "µs":
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"
    raise AssertionError("unreachable")


def range_text(low_s: float, high_s: float) -> str:
    """Return `29.1–34 ms`: the unit is the upper end's."""
    high = time_text(high_s)
    _, unit = high.split(" ")
    size = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
    return f"{low_s / size:.3g}–{high}"
