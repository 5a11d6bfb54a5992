"""Connections to a broker that throws its clients out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from atalaia import broker
from atalaia.broker.safe import faststream_broker
from atalaia.embedded import NatsServer, free_port
from atalaia.resilience.ending import ended
from tests.system.proxy import Proxy


async def until(client: Client, *, connected: bool, within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while client.is_connected != connected:
            await asyncio.sleep(0.02)


def change_password(server: NatsServer, old: str, new: str) -> None:
    config = server.data / "nats.conf"
    config.write_text(config.read_text().replace(f'"{old}"', f'"{new}"'))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGHUP)


@pytest.mark.parametrize("framework", [False, True])
async def test_a_password_that_is_changed_and_changed_back_costs_nobody_the_connection(
    tmp_path: Path, framework: bool
) -> None:
    server = NatsServer(
        tmp_path / "nats", port=free_port(), password="right", subscriber="other", sink=lambda _: None
    )
    await server.start()
    hub = faststream_broker(server.url, name="test")
    client = await (hub.connect() if framework else broker.connect(server.url, name="test"))
    try:
        change_password(server, "right", "wrong")
        await until(client, connected=False)
        change_password(server, "wrong", "right")
        await until(client, connected=True)
    finally:
        await (hub.stop() if framework else broker.close(client))
        await server.stop()


async def test_a_refused_attempt_leaves_no_socket_open(tmp_path: Path) -> None:
    said: list[str] = []
    server = NatsServer(
        tmp_path / "nats", port=free_port(), password="right", subscriber="other", sink=said.append
    )
    await server.start()
    client = await broker.connect(server.url, name="test")
    try:
        change_password(server, "right", "wrong")
        async with asyncio.timeout(10):
            while sum("authentication error" in line for line in said) < 4:
                await asyncio.sleep(0.05)
        open_sockets = [
            one
            for one in psutil.Process().net_connections("tcp")
            if one.raddr and one.raddr.port == server.port
        ]
        assert len(open_sockets) <= 1
    finally:
        await broker.close(client)
        await server.stop()


def running() -> list[str]:
    """Return which of the tasks run that clients make for themselves."""
    names = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
    return sorted(name for name in names if name.startswith(("Client._", "Subscription.")))


def held(client: Client) -> asyncio.WriteTransport:
    assert isinstance(client._transport, TcpTransport)
    assert client._transport._io_writer is not None
    return client._transport._io_writer.transport


@asynccontextmanager
async def filling(client: Client) -> AsyncIterator[None]:
    """Publish as much as may be, to a server that takes nothing; go on once nobody takes any more."""

    async def publish() -> None:
        while True:
            await client.publish("a", b"x" * 2**19)

    task = asyncio.create_task(publish())
    async with asyncio.timeout(10):
        while held(client).get_write_buffer_size() < 2**20:
            await asyncio.sleep(0.01)
    yield
    assert await ended({task}, within_s=0.1)  # told once


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(
        tmp_path / "nats", port=free_port(), password="right", subscriber="other", sink=lambda _: None
    )
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("framework", [False, True])
async def test_a_broker_that_hangs_holds_up_no_end_and_leaves_nothing_running(
    server: NatsServer, framework: bool
) -> None:
    assert server.pid is not None
    hub = faststream_broker(server.url, name="test")
    client = await (hub.connect() if framework else broker.connect(server.url, name="test"))
    connection = held(client).get_extra_info("socket")
    await client.subscribe("b", cb=_ignored)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        async with filling(client):
            pass
        began_s = time.monotonic()
        await (hub.stop() if framework else broker.close(client, within_s=0.2))
        assert time.monotonic() - began_s < 2.5
        await asyncio.sleep(0.05)
        assert client.is_closed
        assert running() == []
        assert connection.fileno() == -1
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def _ignored(_: Msg) -> None: ...


async def test_a_connection_that_takes_nothing_any_more_is_given_up_for_another(server: NatsServer) -> None:
    async with Proxy(server.port) as proxy:
        client = await broker.connect(server.url.replace(str(server.port), str(proxy.port)), name="test")
        try:
            proxy.freeze()
            async with filling(client):
                async with asyncio.timeout(10):
                    while not client.stats["reconnects"]:
                        await asyncio.sleep(0.02)
            await broker.flush(client, within_s=5)
        finally:
            await broker.close(client)


async def test_an_attempt_to_reconnect_is_ended_though_a_refusal_arrives_beside_that(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await broker.connect(server.url, name="test")
    attempt = asyncio.get_running_loop().create_future()

    async def refuse(*_: object, **__: object) -> None:
        """As a connection in `wait_for` of 3.11 that is refused when its task is cancelled."""
        task = asyncio.current_task()
        assert task is not None
        if not attempt.done():
            attempt.set_result(task)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        raise ConnectionRefusedError

    monkeypatch.setattr(TcpTransport, "connect", refuse)
    await server.stop()
    try:
        async with asyncio.timeout(5):
            await asyncio.wait({await attempt})
    finally:
        await broker.close(client)


@pytest.mark.parametrize("framework", [False, True])
async def test_of_several_nodes_one_that_is_there_is_enough(server: NatsServer, framework: bool) -> None:
    nodes = f"nats://127.0.0.1:{free_port()},{server.url}"
    hub = faststream_broker(nodes, name="test")
    client = await (hub.connect() if framework else broker.connect(nodes, name="test"))
    try:
        await broker.flush(client, within_s=5)
    finally:
        await (hub.stop() if framework else broker.close(client))
