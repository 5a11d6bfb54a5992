"""What an orchestrator asks of each service, and how each one ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import asyncpg
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atalaia import broker
from atalaia.events.streams import METRICS_STREAM, streams
from tests.system.platform import ROOT, await_that, free_ports
from tests.system.proxy import Proxy
from tests.system.servers import Servers

SERVICES = ("collector", "alerting", "api", "loadgen")
GRACE_S = 10.0


class Service:
    """One service, with the port that answers for its health."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.health_port, self.http_port = free_ports(2)
        foreign = ("ATALAIA_", "NATS_URL", "DATABASE_URL", "REDIS_URL")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        own = {
            "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
            "ATALAIA_INSTANCE": f"lifecycle-{name}",
            "ATALAIA_HEALTH_LISTEN": f"127.0.0.1:{self.health_port}",
            "ATALAIA_HTTP_PORT": str(self.http_port),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"], cwd=ROOT, env=kept | own | environment
        )

    def says(self, path: str) -> int:
        """Return the status; 0: nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def ready(self) -> bool:
        return self.says("/readyz") == 200

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GRACE_S)


@contextmanager
def running(name: str, **environment: str) -> Iterator[Service]:
    service = Service(name, environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


@pytest.fixture
def urls(servers: Servers, database_url: str) -> dict[str, str]:
    return {"NATS_URL": servers.nats.url, "DATABASE_URL": database_url, "REDIS_URL": servers.redis.url}


@asynccontextmanager
async def proxied(servers: Servers, urls: dict[str, str]) -> AsyncIterator[tuple[Proxy, dict[str, str]]]:
    """Lend the URLs with a proxy before the broker."""
    async with Proxy(servers.nats.port) as proxy:
        through = urls["NATS_URL"].replace(f":{servers.nats.port}", f":{proxy.port}")
        yield proxy, urls | {"NATS_URL": through}


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    client = await broker.connect(servers.nats.url, name="lifecycle")
    await broker.ensure_streams(client.jetstream(timeout=5), streams(metrics_max_bytes=2**26))
    yield client
    await broker.close(client)


async def test_alive_at_once_ready_with_the_broker_and_neither_blinks_with_it(
    servers: Servers, urls: dict[str, str], client: Client
) -> None:
    async with proxied(servers, urls) as (proxy, through):
        proxy.hang()
        with ExitStack() as stack:
            services = {name: stack.enter_context(running(name, **through)) for name in SERVICES}

            def say(path: str) -> dict[str, int]:
                return {name: service.says(path) for name, service in services.items()}

            alive, not_ready = dict.fromkeys(SERVICES, 200), dict.fromkeys(SERVICES, 503)
            await asyncio.to_thread(await_that, lambda: say("/livez") == alive, what="life")
            assert await asyncio.to_thread(say, "/readyz") == not_ready
            proxy.flow()
            await asyncio.to_thread(
                await_that, lambda: say("/readyz") == alive, within_s=30, what="readiness"
            )
            proxy.hang()
            until_s = time.monotonic() + 8  # longer than a silent connection is believed in
            while time.monotonic() < until_s:
                assert await asyncio.to_thread(say, "/livez") == alive
                assert await asyncio.to_thread(say, "/readyz") == alive
                await asyncio.sleep(0.2)
            codes = {name: await asyncio.to_thread(one.stop) for name, one in services.items()}
            assert codes == dict.fromkeys(SERVICES, 0), "stopping while the broker is away"


@pytest.mark.parametrize("name", SERVICES)
async def test_told_to_stop_it_is_not_ready_any_more_and_ends_with_0(
    name: str, urls: dict[str, str], client: Client
) -> None:
    with running(name, **urls) as service:
        await asyncio.to_thread(await_that, service.ready, within_s=20, what="readiness")
        service.process.send_signal(signal.SIGTERM)
        said: list[int] = []
        until_s = time.monotonic() + GRACE_S
        while service.process.poll() is None:
            said.append(await asyncio.to_thread(service.says, "/readyz"))
            assert time.monotonic() < until_s
            await asyncio.sleep(0.02)
        # an answer under way may still be the old one; none after it
        assert 200 not in said[1:]
        assert await asyncio.to_thread(service.process.wait, GRACE_S) == 0


async def test_the_gateway_serves_on_while_balancers_notice(urls: dict[str, str], client: Client) -> None:
    with running("api", **urls, ATALAIA_API_LINGER_S="1.5") as service:
        await asyncio.to_thread(await_that, service.ready, within_s=20, what="readiness")
        service.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(await_that, lambda: service.says("/readyz") == 503, what="unreadiness")
        url = f"http://127.0.0.1:{service.http_port}/api/v1/monitoring/metrics"
        answer = await asyncio.to_thread(urllib.request.urlopen, url, timeout=2)
        with answer:
            assert answer.status == 200
        assert await asyncio.to_thread(service.process.wait, GRACE_S) == 0


async def test_alerting_hands_its_groups_back(urls: dict[str, str], client: Client) -> None:
    with running("alerting", **urls) as service:
        await asyncio.to_thread(await_that, service.ready, within_s=20, what="readiness")
        database = await asyncpg.connect(urls["DATABASE_URL"])
        try:
            held = "SELECT count(*) FROM partitions WHERE holder = 'lifecycle-alerting'"
            assert await database.fetchval(held) == 64
            assert await asyncio.to_thread(service.stop) == 0
            assert await database.fetchval(held) == 0
            assert await database.fetchval("SELECT count(*) FROM replicas") == 0
        finally:
            await database.close()


async def test_the_collector_sends_what_it_holds_before_it_ends(
    servers: Servers, urls: dict[str, str], client: Client
) -> None:
    source = f"lifecycle-{time.time_ns()}"
    settings = {"ATALAIA_COLLECTOR_INTERVAL_S": "0.1", "ATALAIA_COLLECTOR_SOURCE": source}
    async with proxied(servers, urls) as (proxy, through):
        with running("collector", **through, **settings) as service:
            await asyncio.to_thread(await_that, service.ready, within_s=20, what="readiness")
            subject = f"atalaia.metrics.host.{source}.{source}"
            first = await _newest_seq(client, subject)
            proxy.hang()
            await asyncio.sleep(1.5)  # about fifteen measurements that wait
            proxy.flow()
            stopped_s = time.monotonic()
            assert await asyncio.to_thread(service.stop) == 0
            assert time.monotonic() - stopped_s < GRACE_S
    told = await _all_seqs(client, subject)
    assert told == list(range(1, len(told) + 1)), "a measurement is missing, or there twice"
    assert len(told) > first + 10


async def _newest_seq(client: Client, subject: str) -> int:
    async with asyncio.timeout(10):
        while not (told := await _all_seqs(client, subject)):
            await asyncio.sleep(0.1)
    return told[-1]


async def _all_seqs(client: Client, subject: str) -> list[int]:
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE)
    stored = await client.jetstream().pull_subscribe(f"{subject}.>", stream=METRICS_STREAM, config=config)
    told: list[int] = []
    left = (await stored.consumer_info()).num_pending
    while left:
        for message in await stored.fetch(left, timeout=5):
            left = message.metadata.num_pending
            told.append(json.loads(message.data)["seq"])
    await stored.unsubscribe()
    return told
