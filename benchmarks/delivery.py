"""From publish to the webhook's receiver, with Postgres in between: 1000 transitions."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from nats.aio.client import Client

from atalaia.embedded import local_servers
from benchmarks.figures import Figure, show
from benchmarks.workload import Sources, client_of, metric, rules_file, service

TRANSITIONS = 1000
EVERY_S = 0.02
SETTLED_S = 3.0


class Hook:
    """A receiver that notes when which status arrived."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.arrived = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                status = json.loads(await reader.readexactly(length))["status"]
                self.heard[status] = time.perf_counter()
                self.arrived.set()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def next(self, status: str) -> float:
        """Return when a status arrived, and forget it."""
        async with asyncio.timeout(10):
            while status not in self.heard:
                self.arrived.clear()
                await self.arrived.wait()
        return self.heard.pop(status)


async def measure() -> list[float]:
    """Return the seconds of each transition, sorted."""
    hook = Hook()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        receiver = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
        port = receiver.sockets[0].getsockname()[1]
        async with receiver, local_servers(folder) as servers, client_of(servers) as client:
            rules = rules_file(folder, rules=1, hold_for_s=0.0)
            url = f"webhook+http://127.0.0.1:{port}/"
            async with service(
                "alerting", servers, ATALAIA_ALERTING_RULES=str(rules), ATALAIA_NOTIFY_URLS=url
            ):
                found = await _transitions(client, hook)
    return sorted(found)


async def _transitions(client: Client, hook: Hook) -> list[float]:
    sources = Sources(1, series=20)
    source = sources.names[0]
    await asyncio.sleep(SETTLED_S)
    found = []
    jetstream = client.jetstream(timeout=10)
    for number in range(TRANSITIONS):
        value, expected = (0.95, "firing") if number % 2 == 0 else (0.1, "resolved")
        subject, body, about = sources.message(source, datetime.now(UTC), **{metric(0): value})
        began = time.perf_counter()
        await jetstream.publish(subject, body, headers=about)
        found.append(await hook.next(expected) - began)
        await asyncio.sleep(EVERY_S)
    return found


def main() -> None:
    found = asyncio.run(measure())
    figures = [
        Figure(f"publish to webhook, p{q}", found[min(len(found) - 1, len(found) * q // 100)] * 1e3, "ms")
        for q in (50, 95, 99)
    ]
    show(f"Latency of {TRANSITIONS} deliveries by webhook, committed to Postgres in between", figures)


if __name__ == "__main__":
    main()
