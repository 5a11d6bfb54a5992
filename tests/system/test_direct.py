"""The newest messages of a stream, also where there are more than the broker tells at once."""

from __future__ import annotations

import asyncio
import json

import nats
import pytest

from atalaia.broker import ensure_streams
from atalaia.broker.direct import AT_ONCE, newest
from atalaia.events.streams import METRICS_STREAM, streams
from tests.system.servers import Servers


@pytest.mark.parametrize("instances", [3, AT_ONCE + 10])
async def test_the_newest_of_each_instance_of_a_large_service(servers: Servers, instances: int) -> None:
    client = await nats.connect(servers.nats.url)
    jetstream = client.jetstream(timeout=10)
    await ensure_streams(jetstream, streams(), replicas=1)
    group = f"large-{instances}"
    subjects = [f"atalaia.metrics.app.{group}.{number}" for number in range(instances)]
    last = 0
    for turn in range(3):
        bodies = json.dumps({"turn": turn}).encode()
        acknowledged = [await jetstream.publish_async(subject, bodies) for subject in subjects]
        numbers = [one.seq for one in await asyncio.gather(*acknowledged)]
        last = max(numbers) if turn == 1 else last
    found = await newest(client, METRICS_STREAM, f"atalaia.metrics.app.{group}.*.*", up_to=last)
    assert len(found) == instances
    assert {json.loads(stored.body)["turn"] for stored in found} == {1}
    await client.close()
