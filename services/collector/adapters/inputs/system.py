"""The machine as a whole: uptime, processes, open files."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from services.collector.adapters.host import Host
from services.collector.domain.reading import Reading


class System:
    name = "system"

    def __init__(self, host: Host) -> None:
        self._files = host.proc / "sys" / "fs" / "file-nr"
        self._stat = host.proc / "stat"

    def read(self) -> Reading:
        reading = Reading(
            gauges={
                "system.uptime": time.time() - psutil.boot_time(),
                "system.process.count": float(len(psutil.pids())),
            }
        )
        with suppress(OSError, ValueError, IndexError):
            opened, _, most = self._files.read_text().split()[:3]
            reading.gauges["system.file_descriptor.count"] = float(opened)
            reading.gauges["system.file_descriptor.limit"] = min(float(most), 2.0**53)
        with suppress(OSError, ValueError):
            self._kernel(reading, self._stat.read_text())
        return reading

    def _kernel(self, reading: Reading, text: str) -> None:
        found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
        reading.counters["system.process.created"] = float(found["processes"])
        reading.counters["system.context_switches"] = float(found["ctxt"])
        reading.gauges["system.process.running"] = float(found["procs_running"])
        reading.gauges["system.process.blocked"] = float(found["procs_blocked"])
