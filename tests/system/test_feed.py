"""The gateway's reading of a real stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from atalaia import broker
from atalaia.broker import EnduringClient
from atalaia.clock import SystemClock
from atalaia.events.streams import streams
from services.api.adapters.feed import Feed
from services.api.adapters.histories import StreamHistories
from services.api.domain.newest import Newest
from services.api.domain.tails import Tails
from tests.system.servers import Servers

BEGAN = datetime.now(UTC) - timedelta(seconds=60)


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[EnduringClient]:
    client = await broker.connect(servers.nats.url, name="test-feed")
    await broker.ensure_streams(client.jetstream(), streams())
    yield client
    await broker.close(client)


async def publish(client: EnduringClient, source: str, *values: object) -> None:
    for n, value in enumerate(values):
        at = (BEGAN + timedelta(seconds=n)).isoformat()
        body = {"source": source, "kind": "host", "at": at, "interval_s": 1, "gauges": {"g": value}}
        await client.jetstream().publish(f"atalaia.metrics.host.{source}.{source}", json.dumps(body).encode())


@asynccontextmanager
async def started(client: EnduringClient) -> AsyncIterator[Newest]:
    """A gateway's newest messages, once all that is stored has been seen."""
    newest = Newest()
    feed = Feed(client, newest, StreamHistories(client, 2**20), Tails(), SystemClock())
    following = asyncio.create_task(feed.run())
    await asyncio.wait_for(feed.loaded.wait(), 10)
    yield newest
    following.cancel()
    await asyncio.wait({following})


def values(newest: Newest, *sources: str) -> list[float]:
    return [one.batch().gauges["g"] for source in sources for one in newest.subjects(source=source)]


async def test_a_starting_gateway_goes_back_to_the_newest_valid_message(
    client: EnduringClient,
) -> None:
    await publish(client, "well", 1.0, 2.0)
    await publish(client, "ill", 3.0, 4.0, "many", float("nan"), "many")
    await publish(client, "never-well", "many")
    async with started(client) as newest:
        assert values(newest, "well", "ill", "never-well") == [2.0, 4.0]
