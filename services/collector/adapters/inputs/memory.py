"""Memory and swap."""

from __future__ import annotations

import psutil

from atalaia.events.series import spell
from services.collector.domain.reading import Reading

STATES = ("used", "free", "cached", "buffers")


class Memory:
    name = "memory"

    def read(self) -> Reading:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        reading = Reading(
            gauges={
                "system.memory.limit": float(memory.total),
                "system.memory.available": float(memory.available),
                "system.memory.utilization": 1.0 - memory.available / memory.total,
                spell("system.paging.usage", {"system.paging.state": "used"}): float(swap.used),
                spell("system.paging.usage", {"system.paging.state": "free"}): float(swap.free),
            },
            counters={
                spell("system.paging.operations", {"system.paging.direction": "in"}): float(swap.sin),
                spell("system.paging.operations", {"system.paging.direction": "out"}): float(swap.sout),
            },
        )
        if swap.total:
            reading.gauges["system.paging.utilization"] = swap.used / swap.total
        for state in STATES:
            if hasattr(memory, state):
                series = spell("system.memory.usage", {"system.memory.state": state})
                reading.gauges[series] = float(getattr(memory, state))
        return reading
