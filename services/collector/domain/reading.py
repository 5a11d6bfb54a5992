"""What an input saw."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Reading:
    """Series by name: gauges as they are, counters since the machine's start."""

    gauges: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)

    def add(self, other: Reading) -> None:
        self.gauges.update(other.gauges)
        self.counters.update(other.counters)
