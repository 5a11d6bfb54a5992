"""What the collector itself costs."""

from __future__ import annotations

import psutil

from atalaia.events.series import spell
from services.collector.domain.reading import Reading


class Self:
    name = "self"

    def __init__(self) -> None:
        self._process = psutil.Process()

    def read(self) -> Reading:
        with self._process.oneshot():
            times, memory = self._process.cpu_times(), self._process.memory_info()
            return Reading(
                gauges={
                    "process.memory.usage": float(memory.rss),
                    "process.memory.virtual": float(memory.vms),
                    "process.thread.count": float(self._process.num_threads()),
                },
                counters={
                    spell("process.cpu.time", {"cpu.mode": "user"}): times.user,
                    spell("process.cpu.time", {"cpu.mode": "system"}): times.system,
                },
            )
