"""Control groups as the kernel writes them: which are containers, and what their files say.

Names are OpenTelemetry's `container.*`; what the conventions do not have (throttling, limits, kills) is
named after OpenTelemetry Collector's Docker receiver, in base units.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# docker-<id>.scope, cri-containerd-<id>.scope, crio-<id>.scope, libpod-<id>.scope, or <id> alone
_CONTAINER = re.compile(r"^(?:(docker|cri-containerd|crio|libpod)-)?([0-9a-f]{64})(?:\.scope)?$")
_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$")
_RUNTIMES = {"docker": "docker", "cri-containerd": "containerd", "crio": "cri-o", "libpod": "podman"}
_SHORT = 12
UNLIMITED = 2**62  # version 1 writes the largest number of pages for "no limit"


@dataclass(frozen=True, slots=True)
class Usage:
    """One container. Times in seconds, memory in bytes; None where the kernel does not say, or no limit."""

    cpu_s: float | None = None
    user_s: float | None = None
    system_s: float | None = None
    cpu_limit: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    anonymous: int | None = None
    reclaimable: int = 0
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The texts of one group's files, by name; those that are not there are left out."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        text = self.texts.get(name, "").strip()
        return int(text) if text.lstrip("-").isdigit() else None

    def table(self, name: str) -> dict[str, int]:
        """Return the numbers of a file of `key number` lines."""
        pairs = (line.split() for line in self.texts.get(name, "").splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def labels_of(path: str) -> dict[str, str] | None:
    """Return the labels of the container whose group is at `path`; None where it is none."""
    *above, name = path.strip("/").split("/")
    found = _CONTAINER.match(name)
    if found is None:
        return None
    labels = {"container.id": found[2][:_SHORT]}
    runtime = found[1] or ("docker" if "docker" in above else "")
    if runtime:
        labels["container.runtime.name"] = _RUNTIMES[runtime]
    pods = [pod[1] for pod in map(_POD.search, above) if pod is not None]
    if pods:
        labels["k8s.pod.uid"] = pods[-1].replace("_", "-")
    return labels


FILES_V2 = ("cpu.stat", "cpu.max", "memory.current", "memory.max", "memory.stat", "memory.events")


def usage_v2(files: Files) -> Usage:
    """Read version 2, the unified hierarchy (kernel's cgroup-v2.rst)."""
    cpu, memory = files.table("cpu.stat"), files.table("memory.stat")
    quota, _, period = files.texts.get("cpu.max", "max").partition(" ")
    return Usage(
        cpu_s=_seconds(cpu.get("usage_usec"), 1e6),
        user_s=_seconds(cpu.get("user_usec"), 1e6),
        system_s=_seconds(cpu.get("system_usec"), 1e6),
        cpu_limit=int(quota) / int(period) if quota.isdigit() and period.strip().isdigit() else None,
        periods=cpu.get("nr_periods"),
        throttled_periods=cpu.get("nr_throttled"),
        throttled_s=_seconds(cpu.get("throttled_usec"), 1e6),
        memory=files.number("memory.current"),
        memory_limit=files.number("memory.max"),
        anonymous=memory.get("anon"),
        reclaimable=memory.get("inactive_file", 0),
        oom_kills=files.table("memory.events").get("oom_kill"),
    )


FILES_V1 = {
    "cpuacct": ("cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"),
    "cpu": ("cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"),
    "memory": (
        "memory.usage_in_bytes",
        "memory.limit_in_bytes",
        "memory.stat",
        "memory.oom_control",
    ),
}


def usage_v1(files: Files) -> Usage:
    """Read version 1, a hierarchy for each controller (kernel's cgroup-v1 documents)."""
    cpu, memory = files.table("cpu.stat"), files.table("memory.stat")
    quota, period = files.number("cpu.cfs_quota_us"), files.number("cpu.cfs_period_us")
    limit = files.number("memory.limit_in_bytes")
    return Usage(
        cpu_s=_seconds(files.number("cpuacct.usage"), 1e9),
        user_s=_seconds(files.number("cpuacct.usage_user"), 1e9),
        system_s=_seconds(files.number("cpuacct.usage_sys"), 1e9),
        cpu_limit=quota / period if quota is not None and period and quota > 0 else None,
        periods=cpu.get("nr_periods"),
        throttled_periods=cpu.get("nr_throttled"),
        throttled_s=_seconds(cpu.get("throttled_time"), 1e9),
        memory=files.number("memory.usage_in_bytes"),
        memory_limit=limit if limit is not None and limit < UNLIMITED else None,
        anonymous=memory.get("total_rss"),
        reclaimable=memory.get("total_inactive_file", 0),
        oom_kills=files.table("memory.oom_control").get("oom_kill"),
    )


def _seconds(count: int | None, per_second: float) -> float | None:
    return None if count is None else count / per_second
