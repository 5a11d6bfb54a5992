"""The one place that asks what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for what people and other machines see, monotonic seconds for durations."""

    def now(self) -> datetime:
        """Return the time as an aware datetime in UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that never step back; only differences mean anything."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic()
