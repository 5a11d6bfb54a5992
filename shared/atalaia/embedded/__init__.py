"""NATS, Postgres and Valkey from Python packages, as child processes on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from atalaia.embedded.child import Child, Sink
from atalaia.embedded.folder import Secrets, owned, write_private
from atalaia.embedded.nats import NatsServer
from atalaia.embedded.ports import await_free, free_port
from atalaia.embedded.postgres import PostgresServer
from atalaia.embedded.server import LocalServer
from atalaia.embedded.valkey import ValkeyServer

__all__ = [
    "Child",
    "LocalServer",
    "NatsServer",
    "Ports",
    "PostgresServer",
    "Secrets",
    "Servers",
    "Sink",
    "ValkeyServer",
    "await_free",
    "free_port",
    "local_servers",
    "make_servers",
    "owned",
    "write_private",
]


@dataclass(frozen=True, slots=True)
class Ports:
    nats: int
    postgres: int
    redis: int


@dataclass(frozen=True, slots=True)
class Servers:
    nats: NatsServer
    postgres: PostgresServer
    redis: ValkeyServer

    @property
    def all(self) -> tuple[LocalServer, ...]:
        return (self.nats, self.postgres, self.redis)


def make_servers(folder: Path, secrets: Secrets, ports: Ports, sink: Callable[[str], Sink]) -> Servers:
    """Return the three servers, not yet started. `sink(name)` is where one's output goes."""
    return Servers(
        NatsServer(
            folder / "nats",
            port=ports.nats,
            password=secrets.nats,
            subscriber=secrets.subscriber,
            sink=sink("nats"),
        ),
        PostgresServer(
            folder / "postgres",
            port=ports.postgres,
            password=secrets.postgres,
            folder_id=secrets.id,
            sink=sink("postgres"),
        ),
        ValkeyServer(folder / "redis", port=ports.redis, password=secrets.redis, sink=sink("redis")),
    )


@asynccontextmanager
async def local_servers(
    folder: Path, *, ports: Ports | None = None, sink: Sink | None = None
) -> AsyncIterator[Servers]:
    """Run all three for as long as the context lasts; without `ports`, on free ones."""
    chosen = ports or Ports(free_port(), free_port(), free_port())
    with owned(folder) as secrets:
        servers = make_servers(folder, secrets, chosen, lambda _: sink or (lambda _: None))
        try:
            await asyncio.gather(*(server.start() for server in servers.all))
            yield servers
        finally:
            await asyncio.gather(*(server.stop() for server in servers.all))
