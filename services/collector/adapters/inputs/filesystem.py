"""File systems that can be written to and fill up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import psutil

from atalaia.events.series import spell
from services.collector.adapters.host import Host, read_mounts
from services.collector.domain.reading import Reading

# fmt: off
PSEUDO = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devfs", "devpts", "devtmpfs",
    "efivarfs", "fuse.lxcfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "procfs", "pstore", "ramfs",
    "rpc_pipefs", "securityfs", "squashfs", "sysfs", "tmpfs", "tracefs",
})
# fmt: on


class Mounted(Protocol):
    """A mount, as psutil and `read_mounts` tell it."""

    @property
    def device(self) -> str: ...
    @property
    def mountpoint(self) -> str: ...
    @property
    def fstype(self) -> str: ...
    @property
    def opts(self) -> str: ...


class Filesystem:
    name = "filesystem"

    def __init__(self, host: Host) -> None:
        self._host = host

    def read(self) -> Reading:
        reading = Reading()
        devices: set[str] = set()
        # the shortest path first: it stands for what is mounted from the same device again
        for mount in sorted(self._mounts(), key=lambda one: len(one.mountpoint)):
            if mount.fstype in PSEUDO or "ro" in mount.opts.split(",") or mount.device in devices:
                continue
            # without a device, such as a container's overlay, only where it is all there is
            if mount.device.startswith("/") or mount.mountpoint == "/":
                devices.add(mount.device)
                self._add(reading, mount.mountpoint)
        return reading

    def _mounts(self) -> Sequence[Mounted]:
        if self._host.elsewhere:
            return read_mounts((self._host.first_process / "mounts").read_text())
        return psutil.disk_partitions(all=True)

    def _add(self, reading: Reading, path: str) -> None:
        try:
            usage = psutil.disk_usage(str(self._host.root / path.lstrip("/")))
        except OSError:
            return  # unmounted meanwhile, or not ours to look at
        at = {"system.filesystem.mountpoint": path}
        # as df: of what an ordinary user may fill
        reading.gauges[spell("system.filesystem.utilization", at)] = usage.percent / 100.0
        reading.gauges[spell("system.filesystem.limit", at)] = float(usage.total)
        for state, value in (("used", usage.used), ("free", usage.free)):
            series = spell("system.filesystem.usage", at | {"system.filesystem.state": state})
            reading.gauges[series] = float(value)
