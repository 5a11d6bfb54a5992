"""Requests a second of one gateway on one core, while batches come: `python -m benchmarks.gateway`.

wrk (a system package) asks from another core. The peer is the same question with a
parameter that nobody knows, which takes the way through FastAPI.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import Figure, show
from benchmarks.sources import publish_each_second
from tests.system.platform import Platform

SOURCE, SERIES = "bench-1", 150
PREFIX = "/api/v1/monitoring"
CONNECTIONS = 32
GATEWAY_CORE, OTHER_CORE = 0, 1
PATHS = {"health": f"{PREFIX}/health", "metrics of one host": f"{PREFIX}/metrics?source={SOURCE}&kind=host"}
_TOTAL = re.compile(r"(\d+) requests in ([\d.]+)s,")
_P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)\b")
_TO_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: it is a package of most systems")
    with tempfile.TemporaryDirectory() as folder, running(Platform(Path(folder))) as platform:
        pin(platform)
        show(f"gateway on one core, {SERIES} series a second", asyncio.run(measure(platform)))


@contextmanager
def running(platform: Platform) -> Iterator[Platform]:
    """Lend a platform that is ready, and stop it."""
    platform.start()
    try:
        yield platform
    finally:
        platform.stop()


def pin(platform: Platform) -> None:
    """Leave a core to the gateway; what works for it has the other one."""
    gateway = platform.child("services.api")
    _pin_to(OTHER_CORE, os.getpid())
    for child in platform.children():
        _pin_to(GATEWAY_CORE if child.pid == gateway.pid else OTHER_CORE, child.pid)


def _pin_to(core: int, pid: int) -> None:
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, {core})


async def measure(platform: Platform, *, seconds: int = 8) -> list[Figure]:
    figures = []
    async with platform.nats() as client:
        feeding = asyncio.create_task(publish_each_second(client, SOURCE, SERIES))
        await asyncio.sleep(2)
        for name, path in PATHS.items():
            plain, slow = Asked(), Asked()
            for _ in range(2):
                await ask(platform, f"{path}{'&' if '?' in path else '?'}unknown=1", seconds, slow)
                await ask(platform, path, seconds, plain)
            figures += [
                Figure(name, plain.rate, "requests/s", plain.rate / slow.rate, "FastAPI"),
                Figure(f"{name}, p99", plain.p99_ms, "ms", plain.p99_ms / slow.p99_ms, "FastAPI"),
                Figure(f"{name}, CPU", plain.cpu_us, "µs/request", plain.cpu_us / slow.cpu_us, "FastAPI"),
            ]
        feeding.cancel()
    return figures


@dataclass
class Asked:
    """What came of asking one address, in all runs together. `p99_ms` is the worst run's."""

    requests: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    p99_ms: float = 0.0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Return the gateway's CPU time for one request; other people's load does not disturb it."""
        return self.cpu_s / self.requests * 1e6


async def ask(platform: Platform, path: str, seconds: int, asked: Asked) -> None:
    """Ask as fast as answers come; an answer other than 200 ends the benchmark."""
    gateway = platform.child("services.api")
    url = f"http://127.0.0.1:{platform.http_port}{path}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    before = gateway.cpu_times()
    wrk = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text = (await wrk.communicate())[0].decode()
    after = gateway.cpu_times()
    total, p99 = _TOTAL.search(text), _P99.search(text)
    if total is None or p99 is None or "Non-2xx" in text:
        sys.exit(text)
    asked.requests += int(total[1])
    asked.seconds += float(total[2])
    asked.cpu_s += after.user + after.system - before.user - before.system
    asked.p99_ms = max(asked.p99_ms, float(p99[1]) * _TO_MS[p99[2]])


if __name__ == "__main__":
    main()
