"""Processors: the share in use since the last reading, time by core and mode, load."""

from __future__ import annotations

import os
from typing import Any

import psutil

from atalaia.events.series import spell
from services.collector.domain.reading import Reading

MODES = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal")


class Cpu:
    name = "cpu"

    def __init__(self) -> None:
        self._before: tuple[float, float] = _idle_and_total()

    def read(self) -> Reading:
        reading = Reading()
        now = _idle_and_total()
        idle, total = (after - before for after, before in zip(now, self._before, strict=True))
        if total > 0:
            self._before = now
            reading.gauges["system.cpu.utilization"] = min(1.0, max(0.0, 1.0 - idle / total))
        reading.gauges["system.cpu.logical.count"] = float(psutil.cpu_count() or 1)
        for minutes, load in zip(("1m", "5m", "15m"), os.getloadavg(), strict=True):
            reading.gauges[f"system.cpu.load_average.{minutes}"] = load
        for core, times in enumerate(psutil.cpu_times(percpu=True)):
            for mode in MODES:
                if hasattr(times, mode):
                    series = spell("system.cpu.time", {"cpu.logical_number": str(core), "cpu.mode": mode})
                    reading.counters[series] = float(getattr(times, mode))
        return reading


def _idle_and_total() -> tuple[float, float]:
    times: Any = psutil.cpu_times()
    # a guest's time is within user and nice already
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return times.idle + getattr(times, "iowait", 0.0), total
