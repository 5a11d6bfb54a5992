"""Real servers and a real platform, started once for all tests that share them."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from atalaia.embedded import Servers, local_servers
from tests.system.platform import Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.start()
    yield platform
    assert platform.stop() == 0


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """NATS, Postgres and Valkey without services. They live in a thread of their own, beside all loops."""
    folder = tmp_path_factory.mktemp("servers")
    started, stopping = threading.Event(), threading.Event()
    found: list[Servers] = []

    async def live() -> None:
        async with local_servers(folder) as servers:
            found.append(servers)
            started.set()
            await asyncio.to_thread(stopping.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert started.wait(30), "the local servers did not start"
    yield found[0]
    stopping.set()
    thread.join(15)


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """An empty database of one test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(servers.postgres.url)
    await connection.execute(f"CREATE DATABASE {name}")
    yield servers.postgres.url.rsplit("/", 1)[0] + f"/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
