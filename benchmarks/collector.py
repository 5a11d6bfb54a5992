"""What a collector costs that measures each second: `python -m benchmarks.collector [seconds]`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, show
from benchmarks.gateway import running
from tests.system.platform import Platform, await_that


def main(seconds: float = 60.0) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Platform(Path(folder))) as platform:
        title = f"collector, every second, {series_of(platform)} series, over {seconds:g} s"
        show(title, measure(platform, seconds))


def series_of(platform: Platform) -> int:
    """Return how many series the collector publishes."""

    def ask() -> int:
        hosts = platform.get("/metrics?kind=host")[1]["sources"]
        return sum(len(host["gauges"]) + len(host["counters"]) for host in hosts)

    return await_that(ask, what="the collector's first batch")


def measure(platform: Platform, seconds: float) -> list[Figure]:
    collector = platform.child("services.collector")
    time.sleep(3)  # what a start costs is no cost of each second
    began_s, before = time.monotonic(), collector.cpu_times()
    time.sleep(seconds)
    after, took_s = collector.cpu_times(), time.monotonic() - began_s
    used_s = after.user - before.user + after.system - before.system
    memory = collector.memory_full_info()
    return [
        Figure("CPU", used_s / took_s * 100, "% of a core"),
        Figure("resident", memory.rss / 2**20, "MiB"),
        Figure("its own (unique)", memory.uss / 2**20, "MiB"),
        Figure("threads", collector.num_threads(), ""),
    ]


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
