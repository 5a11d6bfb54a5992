"""From publish to the alert event at a subscriber, Postgres committed in between: 1000 transitions."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia.embedded import local_servers
from atalaia.events.subjects import ALERTS_PREFIX
from benchmarks.figures import Figure, show
from benchmarks.workload import Sources, client_of, metric, rules_file, service

TRANSITIONS = 1000
EVERY_S = 0.02
SETTLED_S = 3.0


async def measure() -> list[float]:
    """Return the seconds of each transition, sorted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with local_servers(folder) as servers, client_of(servers) as client:
            rules = rules_file(folder, rules=1, hold_for_s=0.0)
            async with service("alerting", servers, ATALAIA_ALERTING_RULES=str(rules)):
                return await _transitions(client)


async def _transitions(client: Client) -> list[float]:
    sources = Sources(1, series=20)
    source = sources.names[0]
    heard: dict[str, float] = {}
    arrived = asyncio.Event()

    async def hear(message: Msg) -> None:
        heard[json.loads(message.data)["transition"]] = time.perf_counter()
        arrived.set()

    await client.subscribe(f"{ALERTS_PREFIX}.>", cb=hear)
    await client.flush()
    await asyncio.sleep(SETTLED_S)
    found = []
    jetstream = client.jetstream(timeout=10)
    for number in range(TRANSITIONS):
        bad, expected = number % 2 == 0, ("fired" if number % 2 == 0 else "resolved")
        at = datetime.now(UTC)
        subject, body, about = sources.message(source, at, **{metric(0): 0.95 if bad else 0.1})
        arrived.clear()
        began = time.perf_counter()
        await jetstream.publish(subject, body, headers=about)
        async with asyncio.timeout(10):
            while expected not in heard:
                await arrived.wait()
                arrived.clear()
        found.append(heard.pop(expected) - began)
        await asyncio.sleep(EVERY_S)
    return sorted(found)


def main() -> None:
    found = asyncio.run(measure())
    figures = [
        Figure(f"publish to alert event, p{q}", found[min(len(found) - 1, len(found) * q // 100)] * 1e3, "ms")
        for q in (50, 95, 99)
    ]
    show(f"Latency of {TRANSITIONS} transitions, committed to Postgres in between", figures)


if __name__ == "__main__":
    main()
