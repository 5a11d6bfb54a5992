"""Publishing to a stream while others listen on the same subjects, and answer before it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from nats.aio.msg import Msg

from atalaia import broker
from atalaia.broker import EnduringClient
from atalaia.clock import SystemClock
from atalaia.errors import Transient
from atalaia.events.metrics import HistogramDelta, MetricsBatch, read_batch
from atalaia.events.streams import streams
from atalaia.service import Instruments, Lifecycle, report
from atalaia.stats import Histogram
from tests.system.proxy import Proxy
from tests.system.servers import Servers


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[EnduringClient]:
    client = await broker.connect(servers.nats.url, name="test")
    yield client
    await broker.close(client)


async def answer_all(client: EnduringClient, subject: str) -> None:
    """Answer like FastStream does for a handler that returns nothing; the stream is never faster."""

    async def answer(message: Msg) -> None:
        await message.respond(b"")

    await client.subscribe(subject, cb=answer)
    await broker.flush(client, within_s=5)


async def test_an_answer_that_is_not_the_streams_is_no_acknowledgement(client: EnduringClient) -> None:
    await answer_all(client, "answered.by.others")
    with pytest.raises(Transient):
        await broker.publish(client.jetstream(), "answered.by.others", b"{}", headers={}, within_s=0.2)


async def test_a_flush_asks_after_all_that_was_said_before_it(servers: Servers) -> None:
    async with Proxy(servers.nats.port) as proxy:
        client = await broker.connect(
            servers.nats.url.replace(str(servers.nats.port), str(proxy.port)), name="test"
        )
        try:
            await client.subscribe("subscribed.before")
            await client.publish("published.before", b"")
            await client.flush()
        finally:
            await broker.close(client)
    first, before, *_ = proxy.said.split(b"PING\r\n")
    assert b"CONNECT" in first
    assert b"SUB subscribed.before" in before
    assert b"PUB published.before" in before


async def test_a_cancellation_that_meets_the_answer_is_heeded(client: EnduringClient) -> None:
    subject = f"asked.{uuid4().hex}"
    await answer_all(client, subject)
    asking = asyncio.create_task(client.request(subject, b"", timeout=5))
    async with asyncio.timeout(5):
        while not any(answer.done() for answer in client._resp_map.values()):
            await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()


async def test_the_streams_answer_is_found_among_others(client: EnduringClient) -> None:
    name = f"T{uuid4().hex}"
    stream = client.jetstream()
    await stream.add_stream(name=name, subjects=[f"{name}.>"])
    for _ in range(3):
        await answer_all(client, f"{name}.a")
    for number in range(20):
        said = await broker.publish(stream, f"{name}.a", b"{}", headers={"Nats-Msg-Id": str(number)})
        assert said.stream == name
    assert (await stream.stream_info(name)).state.messages == 20
    await stream.delete_stream(name)


async def test_many_are_published_at_once_in_order_and_each_has_its_own_outcome(
    client: EnduringClient,
) -> None:
    name = f"T{uuid4().hex}"
    stream = client.jetstream()
    await stream.add_stream(name=name, subjects=[f"{name}.>"], max_msg_size=1000)
    await answer_all(client, f"{name}.a")
    pipeline = broker.Pipeline(client)
    messages = [
        broker.Outgoing(f"{name}.a", b"%d" % number, {"Nats-Msg-Id": str(number)}) for number in range(2000)
    ]
    for _ in range(2):  # the second time the stream knows them all
        assert await pipeline.publish(messages, within_s=10) == [None] * 2000
    assert (await stream.stream_info(name)).state.messages == 2000
    bodies = [(await stream.get_msg(name, sequence)).data for sequence in (1, 2, 1000, 2000)]
    assert bodies == [b"0", b"1", b"999", b"1999"]

    nowhere = broker.Outgoing(f"{uuid4().hex}.a", b"{}", {})
    too_big = broker.Outgoing(f"{name}.b", b"x" * 2000, {})
    there = broker.Outgoing(f"{name}.b", b"{}", {})
    far_too_big = broker.Outgoing(f"{name}.b", b"x" * 2**21, {})
    outcomes = await pipeline.publish([nowhere, too_big, there, far_too_big], within_s=10)
    assert "no stream" in str(outcomes[0])
    assert "refuses" in str(outcomes[1])
    assert outcomes[2] is None
    assert "size" in str(outcomes[3])
    await stream.delete_stream(name)


async def test_what_only_others_answer_is_not_published(client: EnduringClient) -> None:
    subject = f"answered.{uuid4().hex}"
    await answer_all(client, subject)
    pipeline = broker.Pipeline(client)
    (outcome,) = await pipeline.publish([broker.Outgoing(subject, b"{}", {})], within_s=0.2)
    assert isinstance(outcome, Transient)
    assert await pipeline.publish([], within_s=0.2) == []


class Waits:
    """A meter with one event in each interval."""

    SERIES = "test.wait"

    def __init__(self) -> None:
        self.counted = 0

    def gauges(self) -> dict[str, float]:
        return {}

    def counters(self) -> dict[str, float]:
        return {}

    def histograms(self) -> dict[str, HistogramDelta]:
        self.counted += 1
        waits = Histogram()
        waits.record(0.1)
        return {self.SERIES: HistogramDelta.of(waits)}


async def reported(client: EnduringClient, group: str) -> list[MetricsBatch]:
    stream = client.jetstream()
    count = (await stream.stream_info("ATALAIA_METRICS")).state.last_seq
    found = [await stream.get_msg("ATALAIA_METRICS", sequence) for sequence in range(1, count + 1)]
    return [read_batch(one.data or b"") for one in found if one.subject and f".{group}." in one.subject]


async def test_a_service_reports_each_event_once_whoever_answers(client: EnduringClient) -> None:
    await broker.ensure_streams(client.jetstream(), streams(), only_missing=True)
    service, waits, lifecycle = f"s{uuid4().hex[:8]}", Waits(), Lifecycle()
    await answer_all(client, f"atalaia.metrics.service.{service}.>")
    instruments = Instruments()
    instruments.watch(waits)
    reporting = asyncio.create_task(
        report(client, lifecycle, SystemClock(), instruments, service=service, instance="1", interval_s=0.05)
    )
    async with asyncio.timeout(20):
        while waits.counted < 5:
            await asyncio.sleep(0.01)
        lifecycle.stopping.set()
        await reporting
    batches = await reported(client, service)
    assert batches[-1].final
    assert sum(one.histograms[Waits.SERIES].count for one in batches) == waits.counted


async def test_what_a_service_could_not_tell_is_told_with_the_next_report(servers: Servers) -> None:
    client = EnduringClient()
    service, waits, lifecycle = f"s{uuid4().hex[:8]}", Waits(), Lifecycle()
    instruments = Instruments()
    instruments.watch(waits)
    reporting = asyncio.create_task(
        report(client, lifecycle, SystemClock(), instruments, service=service, instance="1", interval_s=0.05)
    )
    await asyncio.sleep(0)  # the first report finds no connection
    await broker.connect(servers.nats.url, name="test", client=client)
    await broker.ensure_streams(client.jetstream(), streams(), only_missing=True)
    async with asyncio.timeout(20):
        while waits.counted < 3:
            await asyncio.sleep(0.01)
        lifecycle.stopping.set()
        await reporting
    batches = await reported(client, service)
    await broker.close(client)
    assert sum(one.histograms[Waits.SERIES].count for one in batches) == waits.counted
