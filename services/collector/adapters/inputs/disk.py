"""Block devices: bytes, operations and time."""

from __future__ import annotations

import psutil

from atalaia.events.series import spell
from services.collector.domain.reading import Reading


class Disk:
    name = "disk"

    def read(self) -> Reading:
        reading = Reading()
        for device, seen in (psutil.disk_io_counters(perdisk=True) or {}).items():
            if device.startswith(("loop", "ram")):
                continue
            for direction in ("read", "write"):
                labels = {"disk.io.direction": direction, "system.device": device}
                for metric, value in (
                    ("system.disk.io", getattr(seen, f"{direction}_bytes")),
                    ("system.disk.operations", getattr(seen, f"{direction}_count")),
                    ("system.disk.operation_time", getattr(seen, f"{direction}_time") / 1000.0),
                ):
                    reading.counters[spell(metric, labels)] = float(value)
            if hasattr(seen, "busy_time"):
                series = spell("system.disk.io_time", {"system.device": device})
                reading.counters[series] = seen.busy_time / 1000.0
        return reading
