"""How soon a history of 1000 points is there: `python -m benchmarks.history`.

Cold is the first question about a source: 1000 messages are read from the stream and parsed.
Hot are those after it, while the source goes on publishing. The peer of hot is cold.
"""

from __future__ import annotations

import asyncio
import http.client
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure, show
from benchmarks.gateway import running
from benchmarks.sources import KIND, body, publish_each_second, subject
from tests.system.platform import Platform, await_that

SOURCES, PLAIN, SERIES, POINTS, HOT = 40, 20, 150, 1000, 30
HISTOGRAMS = 4  # of the second half of the sources
METRICS = {"gauge": "bench.gauge.3", "counter": "bench.counter.3", "histogram": "bench.duration"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Platform(Path(folder))) as platform:
        asyncio.run(fill(platform))
        title = (
            f"history of {POINTS} points, {SERIES} series a source, half of them with {HISTOGRAMS} histograms"
        )
        show(title, asyncio.run(measure(platform)))


def source(number: int) -> str:
    return f"bench-{number}"


async def fill(platform: Platform) -> None:
    """Publish what each source measured in the last 1000 seconds, and wait until everybody has read it."""
    began = datetime.now(UTC) - timedelta(seconds=POINTS + 30)
    async with platform.nats() as client:
        for turn in range(POINTS):
            at = began + timedelta(seconds=turn)
            for number in range(SOURCES):
                message = body(source(number), at, SERIES, turn, histograms=HISTOGRAMS * (number >= PLAIN))
                await client.publish(subject(source(number)), message)
            await client.flush()
    await asyncio.to_thread(await_that, lambda: _all_filled(platform), within_s=60.0, what="the history")
    judging = platform.child("services.alerting")
    judging.cpu_percent()
    while judging.cpu_percent(interval=1.0) > 10:
        pass


def _all_filled(platform: Platform) -> bool:
    sources = platform.get(f"/metrics?kind={KIND}&name=bench.counter.0")[1]["sources"]
    full = [one for one in sources if one["counters"]['bench.counter.0{device="sd0"}'] >= 1000 * (POINTS - 1)]
    return len(full) == SOURCES


async def measure(platform: Platform) -> list[Figure]:
    async with platform.nats() as client:
        feeding = asyncio.create_task(publish_each_second(client, source(0), SERIES))
        cold = [await asyncio.to_thread(ask, platform, number, "gauge") for number in range(SOURCES)]
        figures = []
        for name, taken in (("cold", cold[:PLAIN]), ("cold, with histograms", cold[PLAIN:])):
            figures += [_at(0.5, name, taken), _at(0.99, name, taken)]
        for type in METRICS:
            asked = range(PLAIN if type == "histogram" else 0, SOURCES)
            for number in asked:
                await asyncio.to_thread(ask, platform, number, type)  # the first question about this metric
            hot = [
                took_s
                for _ in range(HOT)
                for number in asked
                for took_s in [await asyncio.to_thread(ask, platform, number, type)]
            ]
            figures += [_at(0.5, f"hot, {type}", hot, cold), _at(0.99, f"hot, {type}", hot, cold)]
        feeding.cancel()
    return figures


def ask(platform: Platform, number: int, type: str) -> float:
    """Return how many seconds an answer took; one without all its points ends the benchmark."""
    path = f"/api/v1/monitoring/metrics/{METRICS[type]}?source={source(number)}"
    connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=30)
    connection.connect()
    began_s = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    took_s = time.perf_counter() - began_s
    connection.close()
    assert answer.status == 200, content
    series = HISTOGRAMS if type == "histogram" else SERIES // 2 // 10
    assert content.count(b"[") >= series * (POINTS - 1), "points are missing"
    return took_s


def _at(q: float, name: str, taken_s: list[float], peer_s: list[float] | None = None) -> Figure:
    def quantile(values: list[float]) -> float:
        return sorted(values)[round(q * (len(values) - 1))]

    ours = quantile(taken_s)
    ratio = None if peer_s is None else ours / quantile(peer_s)
    return Figure(f"{name}, p{q * 100:g}", ours * 1000, "ms", ratio, "" if ratio is None else "cold")


if __name__ == "__main__":
    main()
