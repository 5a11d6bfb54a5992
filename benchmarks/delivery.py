"""From a value's publication to the webhook's receiver, ours and Prometheus with Alertmanager, in one run.

Ours has Postgres in between: 1000 transitions. The peers come from the system's packages, scrape and judge
every second and group for 0 s: 30 transitions, from when the value can be scraped.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from nats.aio.client import Client

from atalaia.embedded import Child, free_port, local_servers
from benchmarks.figures import Figure, show
from benchmarks.workload import Sources, client_of, metric, rules_file, service

OURS, THEIRS = 1000, 30
EVERY_S = 0.02
SETTLED_S = 3.0
BAD, GOOD = 0.95, 0.1
PEERS = ("prometheus", "prometheus-alertmanager")


class Hook:
    """A receiver that notes when which status arrived."""

    def __init__(self) -> None:
        self.port = 0
        self._heard: dict[str, float] = {}
        self._arrived = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def next(self, status: str) -> float:
        """Return when a status arrived, and forget it."""
        async with asyncio.timeout(60):
            while status not in self._heard:
                self._arrived.clear()
                await self._arrived.wait()
        return self._heard.pop(status)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.lower().split(b"\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")
                )
                status = json.loads(await reader.readexactly(length))["status"]
                self._heard.setdefault(status, time.perf_counter())
                self._arrived.set()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def swing(hook: Hook, times: int, publish: Callable[[float], Awaitable[None]]) -> list[float]:
    """Make a value bad and good in turn; return the seconds until each was told, sorted."""
    found = []
    for number in range(times):
        value, expected = (BAD, "firing") if number % 2 == 0 else (GOOD, "resolved")
        began = time.perf_counter()
        await publish(value)
        found.append(await hook.next(expected) - began)
        await asyncio.sleep(EVERY_S)
    return sorted(found)


async def ours(folder: Path) -> list[float]:
    hook = Hook()
    async with hook.listening(), local_servers(folder) as servers, client_of(servers) as client:
        rules = rules_file(folder, rules=1, hold_for_s=0.0)
        settings = {
            "ATALAIA_ALERTING_RULES": str(rules),
            "ATALAIA_NOTIFY_URLS": f"webhook+http://127.0.0.1:{hook.port}/",
        }
        async with service("alerting", servers, **settings):
            await asyncio.sleep(SETTLED_S)
            return await swing(hook, OURS, _publisher(client))


def _publisher(client: Client) -> Callable[[float], Awaitable[None]]:
    """A source is bad once, then good once: what fires over and over is told less."""
    sources, jetstream = Sources(OURS // 2 + 1, series=20), client.jetstream(timeout=10)
    calls = count()

    async def publish(value: float) -> None:
        name = sources.names[next(calls) // 2]
        subject, body, about = sources.message(name, datetime.now(UTC), **{metric(0): value})
        await jetstream.publish(subject, body, headers=about)

    return publish


async def theirs(folder: Path) -> list[float]:
    hook, shown = Hook(), [GOOD]

    async def publish(value: float) -> None:
        shown[0] = value

    async with hook.listening(), _scraped(shown) as exporter, _peers(folder, exporter, hook.port):
        await asyncio.sleep(2 * SETTLED_S)
        return await swing(hook, THEIRS, publish)


@asynccontextmanager
async def _scraped(shown: list[float]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                text = f"bench_value {shown[0]}\n"
                kind = "Content-Type: text/plain; version=0.0.4"
                writer.write(
                    f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def _peers(folder: Path, exporter: int, hook: int) -> AsyncIterator[None]:
    port, manager = free_port(), free_port()
    rule = {"alert": "bench", "expr": "bench_value > 0.9", "for": "0s"}
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "bench", "rules": [rule]}]}))
    scraped = {"job_name": "bench", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    managed = {"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}
    prometheus = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [scraped],
        "alerting": {"alertmanagers": [managed]},
    }
    told = {"url": f"http://127.0.0.1:{hook}/", "send_resolved": True}
    alertmanager = {
        "route": {"receiver": "hook", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "hook", "webhook_configs": [told]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(prometheus))
    (folder / "alertmanager.yml").write_text(json.dumps(alertmanager))
    commands = [
        [
            str(shutil.which("prometheus-alertmanager")),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{manager}",
            "--cluster.listen-address=",
            "--log.level=error",
        ],
        [
            str(shutil.which("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ],
    ]
    async with AsyncExitStack() as stack:
        for command in commands:
            child = await Child.spawn(command, sink=lambda line: print(f"  peer: {line}", file=sys.stderr))
            stack.push_async_callback(child.stop, within_s=20)
        yield


def _at(found: list[float], q: int) -> float:
    return found[min(len(found) - 1, len(found) * q // 100)]


async def measure() -> tuple[list[float], list[float]]:
    """Return (ours, theirs), in seconds; theirs is empty where they are not installed."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = await ours(Path(one))
        there = all(shutil.which(peer) for peer in PEERS)
        return found, await theirs(Path(other)) if there else []


def main() -> None:
    found, peers = asyncio.run(measure())
    figures = []
    for q in (50, 95, 99):
        ratio = _at(found, q) / _at(peers, q) if peers else None
        figures.append(Figure(f"publish to webhook, p{q}", _at(found, q) * 1e3, "ms", ratio, "Alertmanager"))
    figures += [
        Figure(f"Prometheus + Alertmanager, p{q}", _at(peers, q) * 1e3, "ms") for q in (50, 95) if peers
    ]
    show("From a value to the receiver of a webhook", figures)


if __name__ == "__main__":
    main()
