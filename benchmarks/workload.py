"""Generated sources, and services as child processes, for what measures alerting."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from nats.aio.client import Client

from atalaia import broker
from atalaia.broker import ensure_streams
from atalaia.embedded import Child, Servers
from atalaia.events.headers import headers
from atalaia.events.metrics import message_id
from atalaia.events.streams import streams
from atalaia.events.subjects import metrics_subject

ROOT = Path(__file__).parents[1]
KIND = "bench"
LABELS = '{http.request.method="GET",http.response.status_code="200",http.route="/users/{id}/orders"}'
AT_ONCE = 500


def metric(number: int) -> str:
    return f"bench.metric_{number:03d}"


def rules_file(
    folder: Path, *, rules: int, metrics: int = 1000, threshold: float = 0.9, hold_for_s: float = 60.0
) -> Path:
    """Write rules of which each selects one series of each source, at three severities.

    There are `metrics` of them: of more rules, several look at the same.
    """
    file = folder / "rules.yaml"
    severities = {"warning": threshold, "error": threshold + 0.04, "critical": threshold + 0.08}
    entries = (
        f"  - name: bench-{number}\n    metric: {metric(number % metrics)}\n    for: {hold_for_s:g}s\n"
        f"    thresholds: {json.dumps(severities)}\n"
        for number in range(rules)
    )
    file.write_text("rules:\n" + "".join(entries))
    return file


class Sources:
    """`count` sources with `series` gauges each; values walk below 0.8, so that nothing fires by itself."""

    def __init__(self, count: int, *, series: int, labels: str = "", seed: int = 1) -> None:
        self._dice = random.Random(seed)
        self.names = [f"bench-{number:05d}" for number in range(count)]
        self._series = [metric(number) + labels for number in range(series)]

    def message(self, name: str, at: datetime, **other: float) -> tuple[str, bytes, dict[str, str]]:
        """Return (subject, body, headers) as a publisher of ours sends them."""
        draw = self._dice.random
        gauges = {series: round(0.8 * draw(), 6) for series in self._series} | other
        body = {"source": name, "kind": KIND, "group": name, "at": at.isoformat(), "interval_s": 1.0}
        about = headers(message_id=message_id(KIND, name, at), type="metrics", source=name, at=at)
        return metrics_subject(KIND, name, name), json.dumps(body | {"gauges": gauges}).encode(), about

    def rounds(self, count: int, first_at: datetime) -> Iterator[tuple[str, bytes, dict[str, str]]]:
        """Yield one message of each source for each of `count` seconds."""
        for second in range(count):
            at = first_at + timedelta(seconds=second)
            for name in self.names:
                yield self.message(name, at)


async def prefill(servers: Servers, sources: Sources, rounds: int) -> int:
    """Make the streams and fill them with the newest `rounds` seconds; return how many messages that were.

    Who reads them must keep as much history, or it shortens them (`ATALAIA_ALERTING_HISTORY`).
    """
    sent = 0
    async with client_of(servers) as client:
        jetstream = client.jetstream(timeout=10)
        await ensure_streams(jetstream, streams(history=max(1000, rounds)), replicas=1)
        acknowledged = []
        for subject, body, about in sources.rounds(rounds, datetime.now(UTC) - timedelta(seconds=rounds)):
            acknowledged.append(await jetstream.publish_async(subject, body, headers=about))
            sent += 1
            if len(acknowledged) == AT_ONCE:
                await asyncio.gather(*acknowledged)
                acknowledged.clear()
        await asyncio.gather(*acknowledged)
    return sent


@asynccontextmanager
async def client_of(servers: Servers) -> AsyncIterator[Client]:
    client = await broker.connect(servers.nats.url, name="benchmark")
    try:
        yield client
    finally:
        await broker.close(client)


@asynccontextmanager
async def service(name: str, servers: Servers, **settings: str) -> AsyncIterator[psutil.Process]:
    """Run one service beside the servers; yield its process."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ATALAIA_")}
    environment |= {
        "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
        "NATS_URL": servers.nats.url,
        "DATABASE_URL": servers.postgres.url,
        "REDIS_URL": servers.redis.url,
        **settings,
    }
    child = await Child.spawn(
        [sys.executable, "-m", f"services.{name}"],
        sink=lambda line: print(f"  {name}: {line}", file=sys.stderr),
        environment=environment,
        folder=ROOT,
    )
    try:
        yield psutil.Process(child.pid)
    finally:
        await child.stop(within_s=10)


def cpu_s(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that some processes and their children have used so far."""
    total = 0.0
    for one in processes:
        for process in (one, *one.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


async def until(question: object, *, within_s: float) -> None:
    """Wait until the coroutine function `question` answers truly."""
    async with asyncio.timeout(within_s):
        while not await question():  # type: ignore[operator]
            await asyncio.sleep(0.05)
