"""An instrumented application and its broker: absent, late, slow, gone and back. It never waits for it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import nats
import pytest

import atalaia
from atalaia.embedded import NatsServer, free_port
from atalaia.events.metrics import MetricsBatch, check_series, check_subject, read_batch
from atalaia.events.series import parse
from tests.unit.asgi.measured import Wire, scope

INTERVAL_S = 0.1


async def bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


class Served:
    """An instrumented application between its startup and its shutdown."""

    def __init__(self, url: str) -> None:
        self.app = atalaia.instrument(bare, service="shop", nats_url=url, interval_s=INTERVAL_S)
        self.asked = 0
        self.stopped_within_s = 0.0

    async def ask(self, times: int = 1) -> None:
        for _ in range(times):
            wire = Wire()
            await self.app(scope(), wire.receive, wire.send)
            assert wire.sent[1]["body"] == b"hello"
            self.asked += 1

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        said: asyncio.Queue[Any] = asyncio.Queue()
        life = asyncio.ensure_future(self.app({"type": "lifespan"}, heard.get, said.put))
        heard.put_nowait({"type": "lifespan.startup"})
        await said.get()
        yield
        began_s = time.monotonic()
        heard.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(life, 10)
        self.stopped_within_s = time.monotonic() - began_s


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A broker that is not started yet."""
    server = NatsServer(
        tmp_path, port=free_port(), password="secret", subscriber="other", sink=lambda line: None
    )
    yield server
    await server.stop()


async def stored(broker: NatsServer) -> list[MetricsBatch]:
    """Return what the broker holds, each message checked as alerting checks it."""
    client = await nats.connect(broker.url)
    try:
        stream = client.jetstream()
        try:
            state = (await stream.stream_info("ATALAIA_METRICS")).state
        except nats.js.errors.NotFoundError:
            return []
        batches = []
        for sequence in range(1, state.last_seq + 1):
            message = await stream.get_msg("ATALAIA_METRICS", sequence)
            batch = read_batch(message.data or b"")
            check_series(batch)
            check_subject(batch, message.subject or "")
            batches.append(batch)
        return batches
    finally:
        await client.close()


def requests_in(batches: list[MetricsBatch]) -> int:
    return sum(
        delta.count
        for batch in batches
        for series, delta in batch.histograms.items()
        if parse(series)[0] == "http.server.request.duration"
    )


async def until(broker: NatsServer, requests: int) -> list[MetricsBatch]:
    """Return what is stored once it tells of so many requests."""
    async with asyncio.timeout(10):
        while requests_in(batches := await stored(broker)) < requests:
            await asyncio.sleep(0.05)
    return batches


async def test_a_process_tells_of_its_requests_and_of_itself(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(5)
        (first, *_) = await until(broker, 5)
    assert (first.kind, first.group, first.resource["service.name"]) == ("app", "shop", "shop")
    assert first.source.split("-")[-2] == str(os.getpid())
    assert {name for name, _ in map(parse, first.gauges)} == {
        "http.server.active_requests",
        "process.cpu.utilization",
        "process.memory.usage",
        "process.memory.virtual",
        "process.runtime.event_loop.lag",
        "process.thread.count",
        "process.unix.file_descriptor.count",
        "process.uptime",
    }
    assert {name for name, _ in map(parse, first.counters)} == {
        "atalaia.app.intervals_merged",
        "atalaia.app.messages_refused",
        "cpython.gc.collected_objects",
        "cpython.gc.collections",
        "cpython.gc.uncollectable_objects",
        "process.context_switches",
        "process.cpu.time",
        "process.paging.faults",
    }


async def test_the_last_message_is_final_and_the_counts_are_whole(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(3)
        await until(broker, 3)
        await served.ask(4)
    batches = await stored(broker)
    assert requests_in(batches) == 7
    assert [batch.final for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert [batch.seq for batch in batches] == list(range(1, len(batches) + 1))


async def test_stopped_at_once_it_has_told_of_everything(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(9)
    batches = await stored(broker)
    assert requests_in(batches) == 9
    assert batches[-1].final


async def test_each_life_is_a_source_of_its_own(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    for _ in range(2):
        async with served.living():
            await served.ask()
    batches = await stored(broker)
    assert len({batch.source for batch in batches}) == 2
    assert requests_in(batches) == 2


async def test_without_a_broker_it_answers_says_so_once_and_stops_at_once(
    broker: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(broker.url)
    with caplog.at_level(logging.WARNING):
        async with served.living():
            await served.ask(100)
            await until_logged(caplog)
            await asyncio.sleep(1.5)  # the next tries fail too: nothing is to be said of them
    assert len(caplog.records) == 1, caplog.text
    assert "secret" not in caplog.text
    assert served.stopped_within_s < 0.5


async def until_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0.02)


async def test_a_broker_that_comes_late_hears_everything(broker: NatsServer) -> None:
    served = Served(broker.url)
    async with served.living():
        await served.ask(50)
        await broker.start()
        batches = await until(broker, 50)
        assert requests_in(batches) == 50
    assert requests_in(await stored(broker)) == 50


async def test_while_the_broker_is_away_counts_are_kept_and_merged(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(10)
        await until(broker, 10)
        await broker.stop()
        for _ in range(20):
            await served.ask()
            await asyncio.sleep(INTERVAL_S / 4)  # several intervals pass
        await broker.start()
        batches = await until(broker, 30)
        assert requests_in(batches) == 30
    merged = (await stored(broker))[-1].counters["atalaia.app.intervals_merged"]
    assert merged >= 1


async def test_a_broker_that_hangs_holds_up_neither_requests_nor_the_stop(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(10)
        await until(broker, 10)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        await served.ask(1000)
    os.kill(broker.pid, signal.SIGCONT)
    assert served.stopped_within_s < 2.0


async def test_a_stop_that_meets_an_acknowledgement_is_a_stop(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask()
        await until(broker, 1)
        await served.ask()
        client = cast(Any, served.app)._reporter._life._client  # where its acknowledgements arrive
        async with asyncio.timeout(10):
            while not any(answer.done() for answer in client._resp_map.values()):
                await asyncio.sleep(0)  # nobody has read it yet, nor will have when the stop begins
    assert served.stopped_within_s < 2.0
    assert requests_in(await stored(broker)) == 2


async def test_a_broker_that_hung_and_answers_again_has_every_request_once(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask(10)
        await until(broker, 10)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        await served.ask(10)
        await asyncio.sleep(6)  # longer than an answer is awaited: the message is sent again
        await served.ask(10)
        os.kill(broker.pid, signal.SIGCONT)
        await until(broker, 30)
    assert requests_in(await stored(broker)) == 30


async def test_a_broker_that_refuses_is_a_line_in_the_log(
    broker: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.start()
    served = Served(broker.url.replace("secret", "wrong"))
    with caplog.at_level(logging.WARNING):
        async with served.living():
            await served.ask(10)
            await until_logged(caplog)
    assert served.stopped_within_s < 1.5
    assert "uthorization" in caplog.text


async def test_an_event_loop_that_is_held_up_shows(broker: NatsServer) -> None:
    await broker.start()
    served = Served(broker.url)
    async with served.living():
        await served.ask()
        await until(broker, 1)
        time.sleep(0.5)  # noqa: ASYNC251  # the application blocks its loop
        await served.ask()
        batches = await until(broker, 2)
    assert max(batch.gauges["process.runtime.event_loop.lag"] for batch in batches) > 0.2
