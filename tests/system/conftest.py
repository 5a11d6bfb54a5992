"""Real servers and a real platform, started once for all tests that share them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tests.system.platform import Platform
from tests.system.servers import IN_CONTAINERS, Servers, embedded, in_containers


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With servers in containers, leave out what has servers of its own: it starts, hurts or reads those."""
    if not IN_CONTAINERS:
        return
    shared = {item for item in items if isinstance(item, pytest.Function) and "servers" in item.fixturenames}
    config.hook.pytest_deselected(items=[item for item in items if item not in shared])
    items[:] = [item for item in items if item in shared]


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    if IN_CONTAINERS:
        servers: Servers = request.getfixturevalue("servers")
        platform.environment |= {
            "NATS_URL": servers.nats.url,
            "DATABASE_URL": servers.postgres.url,
            "REDIS_URL": servers.redis.url,
        }
    platform.start()
    yield platform
    assert platform.stop() == 0


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """NATS, Postgres and Redis without services."""
    with in_containers() if IN_CONTAINERS else embedded(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """An empty database of one test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(servers.postgres.url)
    await connection.execute(f"CREATE DATABASE {name}")
    yield servers.postgres.url.rsplit("/", 1)[0] + f"/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
