"""Hosts that do not exist: their batches, and a task that publishes one a second."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import UTC, datetime

from nats.aio.client import Client

KIND = "host"
BUCKETS = 60


def body(source: str, at: datetime, series: int, turn: int, *, histograms: int = 0) -> bytes:
    """Return a batch of half gauges, half counters, one label each, and of histograms."""
    gauges = {
        f'bench.gauge.{n % 10}{{device="sd{n}"}}': 0.5 + math.sin(turn + n) / 2 for n in range(series // 2)
    }
    counters = {
        f'bench.counter.{n % 10}{{device="sd{n}"}}': float(turn * (n + 1) * 1000)
        for n in range(series - series // 2)
    }
    return json.dumps(
        {
            "source": source,
            "kind": KIND,
            "group": source,
            "at": at.isoformat(),
            "interval_s": 1.0,
            "gauges": gauges,
            "counters": counters,
            "start": "2026-01-01T00:00:00Z",
            "seq": turn + 1,
            "histograms": {
                f'bench.duration{{route="/{n}"}}': {
                    "count": BUCKETS * (n + 1),
                    "sum": 0.05 * BUCKETS * (n + 1),
                    "scale": 4,
                    "offset": -100,
                    "counts": [n + 1] * BUCKETS,
                }
                for n in range(histograms)
            },
        },
        separators=(",", ":"),
    ).encode()


def subject(source: str) -> str:
    return f"atalaia.metrics.{KIND}.{source}.{source}"


async def publish_each_second(client: Client, source: str, series: int) -> None:
    """Publish a batch of one source each second, for ever."""
    turn = 0
    while True:
        await client.publish(subject(source), body(source, datetime.now(UTC), series, turn))
        turn += 1
        await asyncio.sleep(1.0)
