"""Connections to a broker that throws its clients out."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from nats.aio.client import Client

from atalaia import broker
from atalaia.broker.safe import faststream_broker
from atalaia.embedded import NatsServer, free_port


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
