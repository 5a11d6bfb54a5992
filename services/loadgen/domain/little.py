"""Little's law: what was in flight on average is the rate times the mean response time (J. Little, 1961).

The two sides come from different books, looks at what is out and stamps of what has ended. Where
they differ, one of them is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from services.loadgen.domain.histogram import Delta
from services.loadgen.domain.window import Window

NS = 1e9
MAY_DIFFER = 0.05
SIGMAS = 4.0
LEAST_WINDOWS = 3
LEAST_ENDED = 100
MOST_UNTIMED = 0.01


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """`holds` is None where there was too little to tell, or too much broke off without a time."""

    in_flight: float
    rate_times_response: float
    holds: bool | None

    def to_json(self) -> dict[str, Any]:
        return {
            "in_flight": self.in_flight,
            "rate_times_response": self.rate_times_response,
            "holds": self.holds,
        }


class Little:
    """Takes all windows of a run. Looks are samples: their error is estimated from how windows differ."""

    def __init__(self) -> None:
        self._windows = self._ended = self._untimed = 0
        self._seconds = self._looked = self._stamped = self._squares = 0.0

    def add(self, window: Window) -> None:
        counts = window.counts
        stamped = (window.histogram("response").sum_ns + window.histogram("failures").sum_ns) / NS
        self._windows += 1
        self._seconds += window.to_s - window.from_s
        self._looked += window.busy_s
        self._stamped += stamped
        self._squares += (window.busy_s - stamped) ** 2
        self._untimed += counts["connection_errors"]
        self._ended += counts["ok"] + counts["http_errors"] + counts["timeouts"]

    def check(self, still_out: Delta) -> LittlesLaw:
        """Compare; `still_out` are the ages of what had not ended."""
        seconds = max(self._seconds, 1e-9)
        stamped = self._stamped + still_out.sum_ns / NS
        apart = abs(self._looked - stamped)
        known = (
            self._windows >= LEAST_WINDOWS
            and self._ended >= LEAST_ENDED
            and self._untimed <= MOST_UNTIMED * self._ended
        )
        within = apart <= max(MAY_DIFFER * self._looked, SIGMAS * math.sqrt(self._squares))
        return LittlesLaw(self._looked / seconds, stamped / seconds, within if known else None)
