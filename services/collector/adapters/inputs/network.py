"""Network interfaces."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from atalaia.events.series import spell
from services.collector.adapters.host import Host
from services.collector.domain.network import read_interfaces
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

    def __init__(self, host: Host) -> None:
        self._host = host

    def read(self) -> Reading:
        reading = Reading()
        for interface, seen in self._interfaces().items():
            for direction, fields in DIRECTIONS.items():
                labels = {"network.interface.name": interface, "network.io.direction": direction}
                for metric, field in zip(METRICS, fields, strict=True):
                    reading.counters[spell(metric, labels)] = float(getattr(seen, field))
        return reading

    def _interfaces(self) -> Mapping[str, object]:
        if self._host.elsewhere:  # `net` itself would be that of whoever reads
            return read_interfaces((self._host.first_process / "net" / "dev").read_text())
        return psutil.net_io_counters(pernic=True)
