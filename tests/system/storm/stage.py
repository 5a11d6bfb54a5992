"""The platform as a storm sees it: each server and service a process that the storm may take away.

`make up` starts what dies at once again, so that nobody sees it missing; here the storm
is the one who starts things, and decides how long they stay away. They are the same
servers and the same services, started by the same code.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from nats.aio.client import Client

from atalaia import broker
from atalaia.embedded import Child, LocalServer, Ports, Secrets, Servers, make_servers, owned
from tests.system.platform import ROOT, free_ports
from tests.system.storm import books
from tests.system.storm.asking import Answer, ask
from tests.system.storm.disks import SIZE_MIB, small_disk
from tests.system.storm.door import Door

SERVERS = ("nats", "postgres", "redis")
SERVICES = ("collector", "alerting", "api", "loadgen")
READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 8.0
METRICS_MAX_BYTES = 200 * 2**20
HISTORY = 100_000  # the books are read from the stream: nothing of it may be dropped


class Service:
    """One service process; `instance` tells replicas apart."""

    def __init__(self, name: str, instance: str, root: Path, environment: dict[str, str]) -> None:
        self.name, self.instance = name, instance
        self._root = root
        self._environment = environment | {"ATALAIA_INSTANCE": instance}
        self._child: Child | None = None
        self.output: list[str] = []

    async def start(self) -> None:
        self._child = await Child.spawn(
            [sys.executable, "-m", f"services.{self.name}"],
            sink=self.output.append,
            environment=self._environment,
            folder=self._root,
        )

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    async def kill(self) -> None:
        assert self._child is not None
        self._child.send(signal.SIGKILL)
        await self._child.wait()

    async def stop(self) -> int:
        assert self._child is not None
        return await self._child.stop(within_s=10)


class Stage:
    """Servers, doors before them, services behind the doors."""

    def __init__(self, folder: Path, root: Path, replicas: int) -> None:
        self.folder = folder
        self.http_port = free_ports(1)[0]
        self.rules_file = folder / "rules.yaml"
        self._root = root
        self._replicas = replicas
        self.servers: Servers
        self.doors: dict[str, Door] = {}
        self.services: dict[str, Service] = {}
        self.disks: dict[str, Path] = {}
        self.stopped_badly: dict[str, int] = {}
        self.output: dict[str, list[str]] = {name: [] for name in SERVERS}

    @classmethod
    @asynccontextmanager
    async def set_up(
        cls,
        folder: Path,
        *,
        root: Path = ROOT,
        replicas: int = 1,
        small_disks: bool = False,
    ) -> AsyncIterator[Stage]:
        """Run all of it for as long as the context lasts. `root` is where the services' code lies."""
        stage = cls(folder, root, replicas)
        stage.write_rules()
        async with AsyncExitStack() as stack:
            secrets = stack.enter_context(owned(folder / "data"))
            if small_disks:
                for name in ("nats", "postgres"):
                    path = _disk_of(name, folder / "data", secrets)
                    stage.disks[name] = stack.enter_context(small_disk(path, SIZE_MIB[name]))
            await stage._start_servers(stack, secrets)
            await stage._start_services(stack)
            yield stage

    async def _start_servers(self, stack: AsyncExitStack, secrets: Secrets) -> None:
        servers = make_servers(
            self.folder / "data", secrets, Ports(*free_ports(3)), lambda name: self.output[name].append
        )
        self.servers = servers
        for name in SERVERS:
            server = self.server(name)
            stack.push_async_callback(server.stop)
            self.doors[name] = Door(server.port)
            stack.push_async_callback(self.doors[name].shut)
        await asyncio.gather(*(server.start() for server in servers.all))
        for door in self.doors.values():
            await door.open()

    async def _start_services(self, stack: AsyncExitStack) -> None:
        environment = self._environment()
        for name in SERVICES:
            copies = self._replicas if name == "alerting" else 1
            for number in range(1, copies + 1):
                label = name if number == 1 else f"{name}-{number}"
                self.services[label] = Service(name, f"storm-{label}", self._root, environment)
        stack.push_async_callback(self._stop_services)
        await asyncio.gather(*(service.start() for service in self.services.values()))
        await self._ready()

    async def _stop_services(self) -> None:
        running = {label: one for label, one in self.services.items() if one.running}
        codes = await asyncio.gather(*(one.stop() for one in running.values()))
        self.stopped_badly = {label: code for label, code in zip(running, codes, strict=True) if code}

    def _environment(self) -> dict[str, str]:
        # PYTHONDONTWRITEBYTECODE, too: services start as from an image, from what was compiled before
        foreign = ("ATALAIA_", "NATS_URL", "DATABASE_URL", "REDIS_URL", "PYTHONPATH", "PYTHONDONTWRITE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        urls = {
            "NATS_URL": self._through_door("nats"),
            "DATABASE_URL": self._through_door("postgres"),
            "REDIS_URL": self._through_door("redis"),
        }
        return {
            **kept,
            **urls,
            "PYTHONPATH": f"{self._root / 'shared'}{os.pathsep}{self._root}",
            "PYTHONUNBUFFERED": "1",
            "ATALAIA_HTTP_PORT": str(self.http_port),
            "ATALAIA_COLLECTOR_INTERVAL_S": "1",
            "ATALAIA_ALERTING_RULES": str(self.rules_file),
            "ATALAIA_ALERTING_HISTORY": str(HISTORY),
            "ATALAIA_ALERTING_METRICS_MAX_BYTES": str(METRICS_MAX_BYTES),
        }

    def _through_door(self, name: str) -> str:
        server = self.server(name)
        return server.url.replace(f":{server.port}", f":{self.doors[name].port}")

    @property
    def database_url(self) -> str:
        """Return Postgres's URL, past the door."""
        return self.servers.postgres.url

    def server(self, name: str) -> LocalServer:
        return {server.name: server for server in self.servers.all}[name]

    def pid(self, name: str) -> int:
        """Return the process id of a server or a service, the last one where it is away."""
        pid = self.server(name).pid if name in SERVERS else self.services[name].pid
        assert pid is not None
        return pid

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self.pid(name))

    def write_rules(self, *, extra: bool = True) -> None:
        self.rules_file.write_text(books.rules(extra=extra))

    async def ask(self, path: str) -> Answer:
        """Return (status, headers, JSON); status 0 when there was no answer in time."""
        return await ask(self.http_port, path, within_s=ANSWER_WITHIN_S)

    @asynccontextmanager
    async def nats(self) -> AsyncIterator[Client]:
        """Lend a connection that goes past the door."""

        async def quiet(error: Exception) -> None:
            """Whoever takes the broker away knows that it is away."""

        client = broker.EnduringClient()
        await client.connect(
            self.servers.nats.url,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds; fractions work
            connect_timeout=2,
            ping_interval=2,
            error_cb=quiet,
        )
        try:
            yield client
        finally:
            await broker.close(client)

    async def _ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            _, _, answer = await self.ask("/health/detailed")
            if answer is not None and not troubles_in(answer, self.services):
                return
            assert time.monotonic() < deadline, "\n".join([f"not ready: {answer}", *self.last_words()])
            await asyncio.sleep(0.1)

    async def start_what_died(self) -> list[str]:
        """Start services that ended by themselves, as a supervisor would; say which, and why."""
        died = {label: one for label, one in self.services.items() if not one.running}
        words = [f"{label} ended by itself: {' / '.join(one.output[-3:])}" for label, one in died.items()]
        for service in died.values():
            await service.start()
        return words

    def write_output(self, folder: Path) -> None:
        """Write what each process said to a file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in (*self.output.items(), *((n, one.output) for n, one in self.services.items())):
            (folder / f"{name}.log").write_text("\n".join(lines) + "\n")

    def last_words(self, most: int = 15) -> list[str]:
        """Return what each process said last."""
        told = [*self.output.items(), *((name, one.output) for name, one in self.services.items())]
        return [f"{name}| {line}" for name, lines in told for line in lines[-most:]]


def troubles_in(answer: dict[str, Any], services: Iterable[str] = SERVICES) -> list[str]:
    """Return what `/health/detailed` complains about, alerts aside."""
    alerts = ("warning: ", "error: ", "critical: ")
    told = [one["reason"] for one in answer["deductions"] if not one["reason"].startswith(alerts)]
    told += [
        f"{name} is {one['status']}" for name, one in answer["dependencies"].items() if one["status"] != "up"
    ]
    up = {one["instance"] for one in answer["services"] if one["status"] == "up"}
    return told + [f"{name} is not up" for name in services if f"storm-{name}" not in up]


def _disk_of(name: str, data: Path, secrets: Secrets) -> Path:
    if name == "nats":
        return data / "nats" / "jetstream"
    return Path("/var/lib/atalaia") / secrets.id  # where root's Postgres lives
