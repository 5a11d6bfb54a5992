"""Containers on this machine: processor time, throttling, memory against its limit, out-of-memory kills."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from atalaia.events.series import spell
from services.collector.adapters.host import Host
from services.collector.domain.cgroups import (
    FILES_V1,
    FILES_V2,
    Files,
    Usage,
    labels_of,
    usage_v1,
    usage_v2,
)
from services.collector.domain.reading import Reading

MOST = 200  # one message holds them all
DEEPEST = 6  # folders between the root and a container's


class Containers:
    name = "containers"

    def __init__(self, host: Host) -> None:
        self._root = host.sys / "fs" / "cgroup"
        self._before: dict[str, tuple[float, float]] = {}

    def read(self) -> Reading:
        reading = Reading()
        unified = (self._root / "cgroup.controllers").exists()
        hierarchy = self._root if unified else self._root / "memory"
        found = list(islice(_containers(hierarchy), MOST))
        seen: dict[str, tuple[float, float]] = {}
        for path in found:
            labels = labels_of(path)
            assert labels is not None
            usage = self._v2(path) if unified else self._v1(path)
            if usage.cpu_s is not None:
                seen[path] = (time.monotonic(), usage.cpu_s)
            _add(reading, labels, usage)
            self._add_share(reading, labels, path, seen.get(path))
        self._before = seen
        return reading

    def _v2(self, path: str) -> Usage:
        return usage_v2(_read(self._root / path, FILES_V2))

    def _v1(self, path: str) -> Usage:
        parts = (_read(self._root / controller / path, names) for controller, names in FILES_V1.items())
        return usage_v1(Files({name: text for part in parts for name, text in part.texts.items()}))

    def _add_share(
        self, reading: Reading, labels: dict[str, str], path: str, now: tuple[float, float] | None
    ) -> None:
        before = self._before.get(path)
        if before is not None and now is not None and now[0] > before[0]:
            used = max(0.0, now[1] - before[1]) / (now[0] - before[0])
            reading.gauges[spell("container.cpu.usage", labels)] = used


def _containers(hierarchy: Path) -> Iterator[str]:
    """Yield the paths of containers' groups, below the hierarchy; nothing is looked for inside one."""
    top = str(hierarchy)
    for folder, folders, _ in os.walk(top):
        inside = folder.removeprefix(top).strip("/")
        yield from (path for name in folders if labels_of(path := f"{inside}/{name}".strip("/")))
        folders[:] = [name for name in folders if inside.count("/") < DEEPEST and not labels_of(name)]


def _read(folder: Path, names: tuple[str, ...]) -> Files:
    texts = {}
    for name in names:
        with suppress(OSError):  # it ended meanwhile, or this controller is off
            texts[name] = (folder / name).read_text()
    return Files(texts)


def _add(reading: Reading, labels: dict[str, str], usage: Usage) -> None:
    gauges = {
        "container.cpu.limit": usage.cpu_limit,
        "container.memory.usage": usage.memory,
        "container.memory.limit": usage.memory_limit,
        "container.memory.rss": usage.anonymous,
    }
    if usage.memory is not None:
        # what the kernel can take back at once is not what the limit kills for
        working_set = max(0, usage.memory - usage.reclaimable)
        gauges["container.memory.working_set"] = working_set
        if usage.memory_limit:
            gauges["container.memory.utilization"] = working_set / usage.memory_limit
    counters = {
        "container.cpu.throttling_data.periods": usage.periods,
        "container.cpu.throttling_data.throttled_periods": usage.throttled_periods,
        "container.cpu.throttling_data.throttled_time": usage.throttled_s,
        "container.memory.oom_kills": usage.oom_kills,
    }
    for told, values in ((reading.gauges, gauges), (reading.counters, counters)):
        told |= {spell(name, labels): float(value) for name, value in values.items() if value is not None}
    for mode, value in (("user", usage.user_s), ("system", usage.system_s)):
        if value is not None:
            reading.counters[spell("container.cpu.time", labels | {"cpu.mode": mode})] = value
