"""A reader of a stream that holds more than its owner can take at once."""

from __future__ import annotations

import asyncio
import uuid

from atalaia import broker
from atalaia.broker.pull import BATCH, WAITING_AT_MOST, Reader
from tests.system.servers import Servers

MESSAGES = 20_000
AT_MOST = WAITING_AT_MOST + 2 * BATCH  # what waits here, and what was asked for before


async def test_what_nobody_takes_stays_with_the_broker_and_all_of_it_comes_in_order(servers: Servers) -> None:
    client = await broker.connect(servers.nats.url, name="test")
    stream, name = client.jetstream(), f"full-{uuid.uuid4().hex[:8]}"
    await stream.add_stream(name=name, subjects=[f"{name}.>"])
    for number in range(MESSAGES):
        await client.publish(f"{name}.a", b"%d" % number)
    async with asyncio.timeout(20):
        while (await stream.stream_info(name)).state.messages < MESSAGES:
            await asyncio.sleep(0.05)

    reader = await Reader.open(client, name)
    async with asyncio.timeout(10):
        while len(reader._waiting) < WAITING_AT_MOST:
            await asyncio.sleep(0.01)
    found = await reader.more(0)
    assert WAITING_AT_MOST <= len(found) <= AT_MOST
    while len(found) < MESSAGES:
        arrived = await reader.more(5)
        assert 0 < len(arrived) <= AT_MOST
        found += arrived
    assert [stored.body for stored in found] == [b"%d" % number for number in range(MESSAGES)]
    await reader.close()
    await client.jsm().delete_stream(name)
    await broker.close(client)
