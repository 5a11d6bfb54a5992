"""Where the servers of tests come from: Python packages, or containers. The tests are the same.

`ATALAIA_TEST_SERVERS=containers` chooses; `make test-containers` does.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from atalaia.embedded import LocalServer, local_servers

IN_CONTAINERS = os.environ.get("ATALAIA_TEST_SERVERS", "") == "containers"
START_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server on loopback."""

    url: str
    port: int


@dataclass(frozen=True, slots=True)
class Servers:
    nats: Server
    postgres: Server
    redis: Server


@contextmanager
def embedded(folder: Path) -> Iterator[Servers]:
    """Run the three from Python packages, in a thread of their own, beside all loops."""
    started, stopping = threading.Event(), threading.Event()
    found: list[Servers] = []

    def seen(server: LocalServer) -> Server:
        return Server(server.url, server.port)

    async def live() -> None:
        async with local_servers(folder) as servers:
            found.append(Servers(seen(servers.nats), seen(servers.postgres), seen(servers.redis)))
            started.set()
            await asyncio.to_thread(stopping.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert started.wait(START_WITHIN_S), "the local servers did not start"
    try:
        yield found[0]
    finally:
        stopping.set()
        thread.join(15)


@contextmanager
def in_containers() -> Iterator[Servers]:
    """Run the servers' public images, as compose does."""
    password = secrets.token_urlsafe(16)
    # the classes for NATS and Redis ask at an address that is not loopback, where nothing is listened on
    nats = (
        DockerContainer("nats:2-alpine")
        .with_command(f"-js --user atalaia --pass {password}")
        .waiting_for(LogMessageWaitStrategy("Server is ready"))
    )
    postgres = PostgresContainer(
        "postgres:18-alpine", username="atalaia", password=password, dbname="atalaia", driver=None
    ).with_command("postgres -c max_connections=300")
    redis = (
        DockerContainer("redis:7-alpine")
        .with_command(f"redis-server --requirepass {password}")
        .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    )
    with ExitStack() as stack:
        ports = {}
        for container, port in ((nats, 4222), (postgres, 5432), (redis, 6379)):
            ports[port] = _started(stack, container, port)
        yield Servers(
            Server(f"nats://atalaia:{password}@127.0.0.1:{ports[4222]}", ports[4222]),
            Server(f"postgresql://atalaia:{password}@127.0.0.1:{ports[5432]}/atalaia", ports[5432]),
            Server(f"redis://:{password}@127.0.0.1:{ports[6379]}/0", ports[6379]),
        )


def _started(stack: ExitStack, container: DockerContainer, port: int) -> int:
    # on loopback: a bare port would listen on every address
    container.ports = {str(port): ("127.0.0.1", None)}  # type: ignore[dict-item]
    stack.enter_context(container)
    return int(container.get_exposed_port(port))
