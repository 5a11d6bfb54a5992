"""`compose.yaml` as a project of the tests' own, driven through the command line as people do."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from atalaia import broker
from tests.system.platform import ROOT, free_ports
from tests.system.storm import books

UP_WITHIN_S = 240
SERVICES = ("collector", "alerting", "api", "loadgen")
HISTORY = 100_000  # books are read from the stream: nothing of it may be dropped


def docker(*arguments: str, within_s: float = 120) -> str:
    """Run one command of the engine; its output is the error where it fails."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=within_s, check=False, cwd=ROOT
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


class Compose:
    """One project. `profile` is chosen for all that it is asked to do."""

    def __init__(self, project: str, folder: Path, *, profile: str = "") -> None:
        self.project = project
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        (folder / "rules.yaml").write_text(books.rules(extra=False))
        foreign = ("ATALAIA_", "COMPOSE_", "NATS_URL", "DATABASE_URL", "REDIS_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        first_port = free_ports_in_a_row(10)
        self._balanced_port, self.prometheus_port = free_ports(2)
        self._environment = kept | {
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_PROFILES": profile,
            "ATALAIA_PORTS": f"{first_port}-{first_port + 9}",
            "ATALAIA_BALANCER_PORT": str(self._balanced_port),
            "ATALAIA_PROMETHEUS_PORT": str(self.prometheus_port),
            "ATALAIA_CONFIG_DIR": str(folder),
            "ATALAIA_ALERTING_RULES": "/etc/atalaia/rules.yaml",
            "ATALAIA_ALERTING_HISTORY": str(HISTORY),
            "ATALAIA_COLLECTOR_INTERVAL_S": "1",
        }
        self._profile = profile

    def __call__(self, *arguments: str, within_s: float = UP_WITHIN_S) -> str:
        """Run `docker compose …`."""
        done = subprocess.run(
            ["docker", "compose", *arguments],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            cwd=ROOT,
            env=self._environment,
        )
        if done.returncode:
            logs = self("logs", "--tail", "20") if arguments[0] == "up" else ""
            raise AssertionError(f"compose {' '.join(arguments)}: {done.stderr[-4000:]}\n{logs[-6000:]}")
        return done.stdout.strip()

    def containers(self, service: str = "", *, ended: bool = False) -> list[str]:
        """Return the ids of a service's containers, or of all."""
        label = f"label=com.docker.compose.service={service}" if service else "name=."
        mine = f"label=com.docker.compose.project={self.project}"
        every = ["--all"] if ended else []
        return docker("ps", "-q", "--no-trunc", *every, "--filter", mine, "--filter", label).split()

    def one(self, service: str) -> str:
        return self.containers(service)[0]

    def network(self, name: str) -> str:
        return f"{self.project}_{name}"

    def address(self, container: str, network: str) -> str:
        """Return a container's address; the engine's machine reaches every network."""
        return str(inspect(container)["NetworkSettings"]["Networks"][self.network(network)]["IPAddress"])

    def setting(self, service: str, name: str) -> str:
        """Return what the one-shot service wrote for a service."""
        return docker("exec", self.one(service), "cat", f"/run/atalaia/{name}")

    @property
    def database_url(self) -> str:
        url = self.setting("alerting", "DATABASE_URL")
        return url.replace("@postgres:", f"@{self.address(self.one('postgres'), 'data')}:")

    @asynccontextmanager
    async def nats(self) -> AsyncIterator[Client]:
        """Lend a connection that goes to whichever node is there."""
        url = self.setting("alerting", "NATS_URL")
        names = ["nats", "nats-2", "nats-3"] if self._profile == "ha" else ["nats"]
        nodes = [self.address(self.one(name), "bus") for name in names]

        async def quiet(error: Exception) -> None:
            """Whoever restarts a node knows that it is away."""

        client = broker.EnduringClient()
        await client.connect(
            [url.replace("@nats:", f"@{node}:") for node in nodes],
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

    def get(self, path: str, gateway: str = "") -> tuple[int, dict[str, str], Any]:
        """Ask the balancer where there is one, else the first gateway; status 0: nobody answers."""
        place = gateway or self._gateway()
        full = path if path.startswith("//") else f"/api/v1/monitoring{path}"
        try:
            with urllib.request.urlopen(f"http://{place}/{full.lstrip('/')}", timeout=10) as answer:
                return answer.status, dict(answer.headers.items()), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers.items()), error.read()
        except OSError as error:
            return 0, {}, repr(error)

    async def ask(self, path: str) -> tuple[int, dict[str, str], Any]:
        return await asyncio.to_thread(self.get, path)

    def _gateway(self) -> str:
        if self._profile == "ha":
            return f"127.0.0.1:{self._balanced_port}"
        return self.gateways()[0]

    def gateways(self) -> list[str]:
        """Return where the gateways are published."""
        found = []
        for container in self.containers("api"):
            [published] = inspect(container)["NetworkSettings"]["Ports"]["8000/tcp"]
            found.append(f"{published['HostIp']}:{published['HostPort']}")
        return found

    def down(self) -> None:
        self("down", "--volumes", "--timeout", "20")


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many ports that nobody holds, below those that the system gives away."""
    dice = random.Random()
    while True:
        first = dice.randrange(20_000, 30_000)
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return first


def inspect(container: str) -> Any:
    return json.loads(docker("inspect", container))[0]


def health_of(container: str) -> str:
    """Return what the engine thinks of a container."""
    state = inspect(container)["State"]
    return str(state.get("Health", {}).get("Status", state["Status"]))
