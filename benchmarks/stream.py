"""A gateway with a thousand readers of its live stream: `python -m benchmarks.stream`.

The readers sit on the other core, in this process. The peer is as many readers who each ask
something else, so that nothing is made once for several of them.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from nats.aio.client import Client

from atalaia.events.alerts import AlertTransition, Severity, Transition
from atalaia.events.subjects import alerts_subject
from benchmarks.figures import Figure, show
from benchmarks.gateway import pin, running
from benchmarks.sources import publish_each_second
from tests.system.listening import STREAM
from tests.system.platform import Platform

READERS, SOURCES, SERIES = 1000, 20, 150
ALERTS, EVERY_S = 20, 1.0
_MARKED = re.compile(rb"bench-alert-[0-9]{20}")
QUESTION = "topics=alerts,health,metrics&name=bench.gauge.0"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Platform(Path(folder))) as platform:
        pin(platform)
        title = f"live stream, {READERS} readers, {SOURCES} sources a second, an alert a second"
        show(title, asyncio.run(measure(platform)))


async def measure(platform: Platform) -> list[Figure]:
    async with platform.nats() as client:
        feeding = [
            asyncio.create_task(publish_each_second(client, f"bench-{n}", SERIES)) for n in range(SOURCES)
        ]
        await asyncio.sleep(2)
        gateway = platform.child("services.api")
        before_bytes = gateway.memory_info().rss
        alone = await heard(platform, client, readers=1, question=lambda n: QUESTION)
        same = await heard(platform, client, readers=READERS, question=lambda n: QUESTION)
        apart = await heard(platform, client, readers=READERS, question=lambda n: f"{QUESTION}&label=a={n}")
        for task in feeding:
            task.cancel()
    peer = "each apart"
    return [
        Figure("an alert, from its event to one reader, p50", alone.delay_ms(0.5), "ms"),
        Figure("to every reader, p50", same.delay_ms(0.5), "ms", same.ratio(apart, 0.5), peer),
        Figure("to every reader, p99", same.delay_ms(0.99), "ms", same.ratio(apart, 0.99), peer),
        Figure("gateway's CPU, one reader", alone.cpu * 100, "% of core"),
        Figure("gateway's CPU", same.cpu * 100, "% of core", same.cpu / apart.cpu, peer),
        Figure("CPU for an event to a reader", same.cpu_us, "µs", same.cpu_us / apart.cpu_us, peer),
        Figure("memory for a reader", (same.rss_bytes - before_bytes) / READERS / 1024, "KiB"),
    ]


@dataclass
class Heard:
    """What readers came to hear. `delays_s`: of each alert at each reader."""

    delays_s: list[float] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    rss_bytes: int = 0

    @property
    def cpu(self) -> float:
        return self.cpu_s / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.events * 1e6

    def delay_ms(self, q: float) -> float:
        return sorted(self.delays_s)[int(q * (len(self.delays_s) - 1))] * 1000

    def ratio(self, other: Heard, q: float) -> float:
        return self.delay_ms(q) / other.delay_ms(q)


class _Reader(asyncio.Protocol):
    """Counts events and notes when each alert first comes; reads nothing else."""

    def __init__(self, question: str, port: int, heard: Heard, said_s: dict[bytes, float]) -> None:
        self._request = f"GET {STREAM}?{question} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()
        self._heard = heard
        self._said_s = said_s
        self._seen: set[bytes] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._heard.events += data.count(b"event: ")
        for name in _MARKED.findall(data):
            if name in self._said_s and name not in self._seen:
                self._seen.add(name)
                self._heard.delays_s.append(time.perf_counter() - self._said_s[name])


async def heard(platform: Platform, client: Client, *, readers: int, question: Callable[[int], str]) -> Heard:
    """Return what so many readers hear of `ALERTS` alerts."""
    found, said_s = Heard(), dict[bytes, float]()
    loop, gateway = asyncio.get_running_loop(), platform.child("services.api")
    port = platform.http_port
    made = (_Reader(question(n), port, found, said_s) for n in range(readers))
    transports = [(await loop.create_connection(partial(_itself, one), "127.0.0.1", port))[0] for one in made]
    await asyncio.sleep(3)
    found.events = 0
    before, began_s = gateway.cpu_times(), time.perf_counter()
    for _ in range(ALERTS):
        await say(client, said_s)
        await asyncio.sleep(EVERY_S)
    after = gateway.cpu_times()
    found.seconds = time.perf_counter() - began_s
    found.cpu_s = after.user + after.system - before.user - before.system
    found.rss_bytes = gateway.memory_info().rss
    for transport in transports:
        transport.close()
    await asyncio.sleep(1)
    return found


def _itself(reader: _Reader) -> _Reader:
    return reader


async def say(client: Client, said_s: dict[bytes, float]) -> None:
    """Publish an alert that fires, as alerting does."""
    alert_id = f"{time.time_ns():020}"
    name = f"bench-alert-{alert_id}"
    now = datetime.now(UTC)
    alert = AlertTransition(
        alert_id=alert_id,
        transition=Transition.FIRED,
        at=now,
        rule="bench",
        series="bench.gauge",
        source=name,
        kind="host",
        group=name,
        severity=Severity.WARNING,
        state="firing",
        value=1.0,
        threshold=0.5,
        started_at=now,
        summary="a benchmark",
    )
    said_s[name.encode()] = time.perf_counter()
    await client.publish(
        alerts_subject("bench", name), alert.body(), headers={"Nats-Msg-Id": f"{alert.alert_id}:1"}
    )
    await client.flush()


if __name__ == "__main__":
    main()
