"""`compare OLD… --with NEW…`, and `--baseline OLD…` after a run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atalaia.errors import Invalid
from services.loadgen.domain.comparison import (
    METRICS,
    Comparison,
    Sample,
    compare,
    noise_of,
    overall,
)
from services.loadgen.domain.spoken import share

EXIT_REGRESSION = 5
LEAST_S = 1e-7


def main(arguments: list[str]) -> int:
    """Compare two sets of earlier runs; 5 where the new ones are slower."""
    made = argparse.ArgumentParser(
        prog="python -m services.loadgen compare",
        description="Compare two sets of runs, each run one JSON file of --out json=FILE. "
        "Three runs a side are the least that says anything; five, taken in turns, are better.",
    )
    made.add_argument("old", nargs="+", metavar="OLD.json")
    made.add_argument("--with", dest="new", nargs="+", required=True, metavar="NEW.json")
    made.add_argument("--threshold", default="10%", help="slower by more is a regression (default 10%%)")
    given = made.parse_args(arguments)
    threshold = share(given.threshold)
    found = compared(read(given.old), read(given.new), threshold)
    sys.stdout.write("\n".join(lines(found, threshold)) + "\n")
    return EXIT_REGRESSION if overall(found) == "regression" else 0


def read(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return the results in these files.

    Raises:
        Invalid: one cannot be read, or is no result.
    """
    found = []
    for path in paths:
        try:
            result = json.loads(Path(path).read_text())
            for metric in METRICS:
                _value(result, metric)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{path} is no result of --out json: {error!r}") from error
        found.append(result)
    return found


def compared(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]], threshold: float
) -> list[Comparison]:
    """Compare the percentiles that every run has."""
    measurable = [
        metric for metric in METRICS if all(_value(result, metric) is not None for result in (*old, *new))
    ]
    return [
        compare(
            metric,
            [_sample(result, metric) for result in old],
            [_sample(result, metric) for result in new],
            threshold,
        )
        for metric in measurable
    ]


def lines(found: Sequence[Comparison], threshold: float) -> list[str]:
    """Return what a person reads, 80 characters wide."""
    said = []
    for one in found:
        between = ""
        if one.low is not None and one.high is not None:
            between = f" [{one.low - 1:+.1%}, {one.high - 1:+.1%}]"
        elif one.within is not None:
            between = f" ±{one.within:.1%}"
        hint = ""
        if one.verdict == "inconclusive" and one.needed:
            hint = f": {one.needed} runs a side would show {threshold:.0%}"
        elif one.detectable is not None:
            hint = f" (would see {one.detectable:+.0%})"
        said.append(
            f"baseline    {one.metric} {one.ratio - 1:+.1%}{between}, {one.new} v {one.old}: "
            f"{one.verdict}{hint}"
        )
    return said or ["baseline    nothing to compare: no percentile that all runs have"]


def _value(result: dict[str, Any], metric: str) -> float | None:
    value = result["response"][f"{metric}_s"]
    return None if value is None or metric in result["response"].get("thin", ()) else float(value)


def _sample(result: dict[str, Any], metric: str) -> Sample:
    value = _value(result, metric)
    assert value is not None
    interval = result["response"].get("intervals_s", {}).get(metric)
    noise = noise_of(*(max(float(end), LEAST_S) for end in interval)) if interval else None
    return Sample(max(value, LEAST_S), noise)
