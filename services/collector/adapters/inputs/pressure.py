"""Pressure stall information: how long work waited for a resource, where the kernel says."""

from __future__ import annotations

from atalaia.events.series import spell
from services.collector.adapters.host import Host
from services.collector.domain.reading import Reading


class Pressure:
    name = "pressure"

    def __init__(self, host: Host) -> None:
        self._folder = host.proc / "pressure"

    def read(self) -> Reading:
        reading = Reading()
        for resource in ("cpu", "io", "memory"):
            try:
                text = (self._folder / resource).read_text()
            except OSError:
                continue  # this kernel has none, or not for us
            for line in text.splitlines():
                scope, *fields = line.split()
                values = dict(field.split("=") for field in fields)
                labels = {"linux.pressure.resource": resource, "linux.pressure.scope": scope}
                reading.gauges[spell("linux.pressure.share", labels)] = float(values["avg10"]) / 100.0
                reading.counters[spell("linux.pressure.time", labels)] = float(values["total"]) / 1e6
        return reading
