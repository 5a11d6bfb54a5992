"""Network interfaces."""

from __future__ import annotations

import psutil

from atalaia.events.series import spell
from services.collector.domain.reading import Reading

DIRECTIONS = {
    "receive": ("bytes_recv", "packets_recv", "errin", "dropin"),
    "transmit": ("bytes_sent", "packets_sent", "errout", "dropout"),
}
METRICS = (
    "system.network.io",
    "system.network.packet.count",
    "system.network.errors",
    "system.network.packet.dropped",
)


class Network:
    name = "network"

    def read(self) -> Reading:
        reading = Reading()
        for interface, seen in psutil.net_io_counters(pernic=True).items():
            for direction, fields in DIRECTIONS.items():
                labels = {"network.interface.name": interface, "network.io.direction": direction}
                for metric, field in zip(METRICS, fields, strict=True):
                    reading.counters[spell(metric, labels)] = float(getattr(seen, field))
        return reading
