"""What one more source costs each part, few or many: `python -m benchmarks.growth [sources …]`.

Each source publishes 20 series a second, to four stock rules that select none of them and one that
selects one. What a part needs without sources is taken off.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.figures import Figure, show
from benchmarks.gateway import running
from benchmarks.sources import body, subject
from benchmarks.workload import cpu_s
from tests.system.platform import Platform

SIZES, SERIES = (10, 100, 1000, 10_000), 20
IDLE_S, FEEDING_S, SLICES = 5.0, 15.0, 50
FLAT_FROM = 100
PARTS = {
    "gateway": "services.api",
    "alerting": "services.alerting",
    "NATS": "nats-server",
    "Postgres": "postgres",
}
RULES = """
rules:
  - name: grown
    metric: bench.gauge.0
    thresholds: {warning: 2}
"""


def main(sizes: tuple[int, ...] = SIZES) -> None:
    figures: list[Figure] = []
    peers: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            rules = Path(name) / "rules.yaml"
            rules.write_text(RULES)
            platform = Platform(Path(name) / "data", ATALAIA_ALERTING_RULES=str(rules))
            with running(platform):
                for what, (value, unit) in asyncio.run(measure(platform, size)).items():
                    peer = peers.setdefault(what, value) if size >= FLAT_FROM else None
                    ratio = value / peer if peer and unit != "1/s" else None
                    figures.append(
                        Figure(f"{size} sources: {what}", value, unit, ratio, f"{FLAT_FROM} sources")
                    )
    show(f"what a source costs, {SERIES} series of each a second", figures)


async def measure(platform: Platform, size: int) -> dict[str, tuple[float, str]]:
    parts = {name: platform.child(command) for name, command in PARTS.items()}
    before = {name: cpu_s([process]) for name, process in parts.items()}
    await asyncio.sleep(IDLE_S)
    idle = {name: (cpu_s([process]) - before[name]) / IDLE_S for name, process in parts.items()}
    memory = {name: _memory(process) for name, process in parts.items()}
    async with platform.nats() as client:
        before = {name: cpu_s([process]) for name, process in parts.items()}
        began_s, sent = time.monotonic(), 0
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
        await asyncio.to_thread(_caught_up, platform, size, turn)
        took_s = time.monotonic() - began_s
    found = {"messages a second": (sent / took_s, "1/s")}
    for name, process in parts.items():
        busy_s = cpu_s([process]) - before[name] - idle[name] * took_s
        found[f"CPU of a message, {name}"] = (busy_s / sent * 1e6, "µs")
    for name in ("gateway", "alerting"):
        grown = _memory(parts[name]) - memory[name]
        found[f"memory of a source, {name}"] = (grown / size / 1024, "KiB")
    return found


def _memory(process: psutil.Process) -> int:
    return int(process.memory_full_info().uss)


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
