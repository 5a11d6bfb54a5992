"""What this process costs, from the standard library and, on Linux, from /proc."""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import time
from asyncio import AbstractEventLoop, TimerHandle
from pathlib import Path

from atalaia.events.series import spell

_PROC = Path("/proc/self")
LOOK_EVERY_S = 0.25


class ProcessReadings:
    """CPU utilization is of the time since the last reading, as a share of the CPUs it may use."""

    def __init__(self) -> None:
        self._began_s = self._read_s = time.monotonic()
        self._cpu_s = sum(os.times()[:2])

    def gauges(self) -> dict[str, float]:
        now_s, cpu_s = time.monotonic(), sum(os.times()[:2])
        elapsed_s = max(1e-9, now_s - self._read_s)
        utilization = (cpu_s - self._cpu_s) / elapsed_s / _cpus()
        self._read_s, self._cpu_s = now_s, cpu_s
        return {
            "process.cpu.utilization": min(1.0, utilization),
            "process.uptime": now_s - self._began_s,
            **_from_proc(),
        }

    def counters(self) -> dict[str, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        values = {
            spell("process.cpu.time", {"cpu.mode": "user"}): used.ru_utime,
            spell("process.cpu.time", {"cpu.mode": "system"}): used.ru_stime,
            spell("process.context_switches", {"process.context_switch.type": "voluntary"}): used.ru_nvcsw,
            spell("process.context_switches", {"process.context_switch.type": "involuntary"}): used.ru_nivcsw,
            spell("process.paging.faults", {"system.paging.fault.type": "major"}): used.ru_majflt,
            spell("process.paging.faults", {"system.paging.fault.type": "minor"}): used.ru_minflt,
        }
        for generation, stats in enumerate(gc.get_stats()):
            labels = {"cpython.gc.generation": str(generation)}
            values[spell("cpython.gc.collections", labels)] = stats["collections"]
            values[spell("cpython.gc.collected_objects", labels)] = stats["collected"]
            values[spell("cpython.gc.uncollectable_objects", labels)] = stats["uncollectable"]
        return {series: float(value) for series, value in values.items()}


class LoopLag:
    """How late the event loop runs what is due: the worst of a few looks a second."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._worst_s = 0.0
        self._handle: TimerHandle | None = None
        self._wait()

    def take(self) -> float:
        """Return the worst lag since the last call, in seconds."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _wait(self) -> None:
        self._due_s = self._loop.time() + LOOK_EVERY_S
        self._handle = self._loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        self._worst_s = max(self._worst_s, self._loop.time() - self._due_s)
        self._wait()


def _cpus() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _from_proc() -> dict[str, float]:
    try:
        pages = (_PROC / "statm").read_text().split()
        threads = int((_PROC / "stat").read_text().rpartition(")")[2].split()[17])
        descriptors = sum(1 for _ in (_PROC / "fd").iterdir()) - 1  # not the one that lists them
    except OSError:  # not Linux
        return {"process.thread.count": float(threading.active_count())}
    page_bytes = resource.getpagesize()
    return {
        "process.memory.usage": float(int(pages[1]) * page_bytes),
        "process.memory.virtual": float(int(pages[0]) * page_bytes),
        "process.thread.count": float(threads),
        "process.unix.file_descriptor.count": float(descriptors),
    }
