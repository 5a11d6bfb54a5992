"""What one more source costs the gateway, few or many: `python -m benchmarks.growth [sources …]`.

Each source publishes 20 series a second. What the gateway needs without sources is taken off.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, show
from benchmarks.gateway import running
from benchmarks.sources import body, subject
from tests.system.platform import Platform

SIZES, SERIES = (10, 100, 1000, 10_000), 20
IDLE_S, FEEDING_S, SLICES = 5.0, 15.0, 50
FLAT_FROM = 100


def main(sizes: tuple[int, ...] = SIZES) -> None:
    figures: list[Figure] = []
    peers: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, running(Platform(Path(folder))) as platform:
            for name, (value, unit) in asyncio.run(measure(platform, size)).items():
                peer = peers.setdefault(name, value) if size >= FLAT_FROM else None
                ratio = value / peer if peer and unit != "1/s" else None
                figures.append(Figure(f"{size} sources: {name}", value, unit, ratio, f"{FLAT_FROM} sources"))
    show(f"the gateway, {SERIES} series of each source a second", figures)


async def measure(platform: Platform, size: int) -> dict[str, tuple[float, str]]:
    gateway = platform.child("services.api")

    def used_s() -> float:
        times = gateway.cpu_times()
        return times.user + times.system

    before_s = used_s()
    await asyncio.sleep(IDLE_S)
    idle = (used_s() - before_s) / IDLE_S
    memory = gateway.memory_full_info().uss
    async with platform.nats() as client:
        before_s, began_s, sent = used_s(), time.monotonic(), 0
        while time.monotonic() - began_s < FEEDING_S:
            turn = round(sent / size)
            for part in range(SLICES):
                for number in range(part, size, SLICES):
                    name = f"grown-{number}"
                    await client.publish(subject(name), body(name, datetime.now(UTC), SERIES, turn))
                    sent += 1
                await client.flush()
                due_s = began_s + turn + (part + 1) / SLICES
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        took_s = time.monotonic() - began_s
        await asyncio.to_thread(_caught_up, platform, size, turn)
        busy_s = used_s() - before_s - idle * took_s
    grown = gateway.memory_full_info().uss - memory
    return {
        "messages a second": (sent / took_s, "1/s"),
        "CPU of a message": (busy_s / sent * 1e6, "µs"),
        "memory of a source": (grown / size / 1024, "KiB"),
    }


def _caught_up(platform: Platform, size: int, turn: int) -> None:
    """Wait for the last message of the last source."""
    name = f"grown-{size - 1}"
    while True:
        sources = platform.get(f"/metrics?source={name}")[1]["sources"]
        if sources and sources[0]["counters"]['bench.counter.0{device="sd0"}'] >= turn * 1000:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
