"""The streams, as data: what the broker keeps, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from atalaia.events.subjects import (
    ALERTS_PREFIX,
    DEAD_PREFIX,
    LOADTESTS_PREFIX,
    METRICS_PREFIX,
    PARTITIONS,
)

DAY_S = 86400.0
GIB = 2**30
METRICS_STREAM = "ATALAIA_METRICS"
ALERTS_STREAM = "ATALAIA_ALERTS"
LOADTESTS_STREAM = "ATALAIA_LOADTESTS"
DEAD_STREAM = "ATALAIA_DEAD"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream's configuration. `-1` means no limit; `transform` is (from, to)."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: float
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    duplicate_window_s: float = 120.0
    compressed: bool = False
    transform: tuple[str, str] | None = None


def streams(*, metrics_max_bytes: int = 10 * GIB, history: int = 1000) -> tuple[Stream, ...]:
    """Return all streams. `history` is how many measurements of each source are kept."""
    return (
        Stream(
            METRICS_STREAM,
            (f"{METRICS_PREFIX}.*.*.*",),
            max_age_s=7 * DAY_S,
            max_bytes=metrics_max_bytes,
            max_msgs_per_subject=history,
            compressed=True,
            transform=(
                f"{METRICS_PREFIX}.*.*.*",
                f"{METRICS_PREFIX}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.{{{{wildcard(3)}}}}"
                f".{{{{partition({PARTITIONS},2)}}}}",
            ),
        ),
        Stream(ALERTS_STREAM, (f"{ALERTS_PREFIX}.*.*",), max_age_s=30 * DAY_S, duplicate_window_s=3600.0),
        Stream(LOADTESTS_STREAM, (f"{LOADTESTS_PREFIX}.*.*",), max_age_s=30 * DAY_S),
        Stream(DEAD_STREAM, (f"{DEAD_PREFIX}.*",), max_age_s=7 * DAY_S, max_bytes=GIB),
    )
