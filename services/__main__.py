"""The whole platform on this machine: `python -m services`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from nats.aio.msg import Msg
from pydantic import Field

from atalaia import broker, log, urls
from atalaia.database import migrate
from atalaia.embedded import (
    Child,
    LocalServer,
    Ports,
    Servers,
    await_free,
    make_servers,
    owned,
    write_private,
)
from atalaia.embedded.console import Console
from atalaia.embedded.supervisor import Supervised
from atalaia.errors import AtalaiaError, Misconfigured, Transient
from atalaia.events.services import ServiceAnnouncement
from atalaia.events.subjects import SERVICES_PREFIX
from atalaia.resilience.retry import until_done
from atalaia.service.run import PLATFORM_VARIABLES
from atalaia.settings import Settings, server_url, unknown_variables
from services.alerting.settings import AlertingSettings
from services.api.settings import ApiSettings
from services.collector.settings import CollectorSettings
from services.loadgen.settings import LoadgenSettings

SERVICES = ("collector", "alerting", "api", "loadgen")
ROOT = Path(__file__).parents[1]
MIGRATIONS = ROOT / "services" / "alerting" / "adapters" / "migrations"
STOP_SERVICES_WITHIN_S = 5.0


class PlatformSettings(Settings):
    """What the platform reads beside what its services read."""

    data_dir: Path = Field(Path(".data"), description="folder of the local servers' data")
    http_port: int = Field(8000, ge=1, le=65535, description="the gateway's port")
    nats_port: int = Field(4222, ge=1, le=65535)
    postgres_port: int = Field(5432, ge=1, le=65535)
    redis_port: int = Field(6379, ge=1, le=65535)
    nats_url: Annotated[str, server_url(urls.brokers, or_empty=True)] = Field("", validation_alias="NATS_URL")
    database_url: Annotated[str, server_url(urls.postgres, or_empty=True)] = Field(
        "", validation_alias="DATABASE_URL"
    )
    redis_url: Annotated[str, server_url(urls.redis, or_empty=True)] = Field("", validation_alias="REDIS_URL")


class Platform:
    """Starts everything in order, keeps it running, stops it in reverse."""

    def __init__(
        self, settings: PlatformSettings, servers: Servers, console: Console, folder_id: str
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._console = console
        self._folder = settings.data_dir.absolute()
        self._instance = os.environ.get("ATALAIA_INSTANCE") or f"{socket.gethostname()}-{folder_id}"
        self._supervised: list[Supervised] = []
        self._strangers = unknown_variables(os.environ, _known_variables())
        self.urls = {
            "NATS_URL": settings.nats_url or servers.nats.url,
            "DATABASE_URL": settings.database_url or servers.postgres.url,
            "REDIS_URL": settings.redis_url or servers.redis.url,
        }

    @property
    def _local(self) -> list[LocalServer]:
        settings = self._settings
        given = (settings.nats_url, settings.database_url, settings.redis_url)
        return [server for server, url in zip(self._servers.all, given, strict=True) if not url]

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping`; whatever was started is stopped again."""
        try:
            async with asyncio.TaskGroup() as group:
                life = group.create_task(self._live(group))
                try:
                    await stopping.wait()
                finally:
                    life.cancel()
                    await asyncio.wait({life})
                    await self._stop_all()
        finally:
            (self._folder / "env").unlink(missing_ok=True)

    async def _live(self, group: asyncio.TaskGroup) -> None:
        say = self._console.sink("atalaia")
        self._warn_about_strangers()
        await await_free(self._settings.http_port, variable="ATALAIA_HTTP_PORT")
        if self._local:
            say(f"starting {', '.join(server.name for server in self._local)} (data in {self._folder})")
        servers = [self._supervise_server(server) for server in self._local]
        await asyncio.gather(*(server.first_start() for server in servers))
        for server in servers:
            group.create_task(server.keep())
        self._write_env()
        applied = await until_done(
            lambda: migrate(self.urls["DATABASE_URL"], MIGRATIONS),
            on_failure=lambda error, attempt: say(f"waiting for the database: {error}"),
        )
        if applied:
            say(f"migrated the database: {', '.join(applied)}")
        say(f"starting {', '.join(SERVICES)}")
        async with self._announced() as announced:
            for name in SERVICES:
                service = self._supervise_service(name)
                await service.first_start()
                group.create_task(service.keep())
            await self._await_ready(announced)
        self._console.plain(f"ready http://127.0.0.1:{self._settings.http_port}")

    def _supervise_server(self, server: LocalServer) -> Supervised:
        supervised = Supervised(
            server.name, server.start, server.wait, server.stop, self._console.sink("atalaia")
        )
        self._supervised.append(supervised)
        return supervised

    def _supervise_service(self, name: str) -> Supervised:
        running: list[Child] = []

        async def start() -> None:
            child = await Child.spawn(
                [sys.executable, "-m", f"services.{name}"],
                sink=self._console.sink(name),
                environment=self._environment(),
                folder=ROOT,
            )
            running[:] = [child]

        async def wait() -> int:
            return await running[0].wait()

        async def stop() -> None:
            await running[0].stop(within_s=STOP_SERVICES_WITHIN_S)

        supervised = Supervised(name, start, wait, stop, self._console.sink("atalaia"))
        self._supervised.append(supervised)
        return supervised

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(ROOT / "shared"), os.environ.get("PYTHONPATH"))))
        settings = {
            "ATALAIA_INSTANCE": self._instance,
            "ATALAIA_DATA_DIR": str(self._folder),
            "ATALAIA_PUBLIC_URL": os.environ.get("ATALAIA_PUBLIC_URL")
            or f"http://127.0.0.1:{self._settings.http_port}",
            "PYTHONPATH": path,
        }
        strangers = {name for name, _ in self._strangers}  # they were warned about here, once
        inherited = {name: value for name, value in os.environ.items() if name not in strangers}
        return {**inherited, **self.urls, **settings, "PYTHONUNBUFFERED": "1"}

    def _warn_about_strangers(self) -> None:
        for name, nearest in self._strangers:
            hint = f"; did you mean {nearest}?" if nearest else ""
            self._console.sink("atalaia")(f"unknown setting {name}{hint}")

    def _write_env(self) -> None:
        subscriber = self.urls["NATS_URL"]
        if not self._settings.nats_url:
            subscriber = self._servers.nats.subscriber_url
        values = {**self.urls, "ATALAIA_SUBSCRIBER_URL": subscriber}
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        write_private(self._folder / "env", text)

    @asynccontextmanager
    async def _announced(self) -> AsyncIterator[set[str]]:
        """Yield a set that fills with the services of this platform that say they are up."""
        seen: set[str] = set()
        client = await broker.connect(self.urls["NATS_URL"], name="platform")

        async def hear(message: Msg) -> None:
            with suppress(ValueError):
                said = ServiceAnnouncement.model_validate_json(message.data)
                if said.instance == self._instance and said.status == "up":
                    seen.add(said.service)

        await client.subscribe(f"{SERVICES_PREFIX}.>", cb=hear)
        with suppress(Transient):
            await broker.flush(client, within_s=2)
        try:
            yield seen
        finally:
            await broker.close(client)

    async def _await_ready(self, announced: set[str]) -> None:
        began = time.monotonic()
        waiting_said = False
        while not (announced.issuperset(SERVICES) and await asyncio.to_thread(self._gateway_ready)):
            if not waiting_said and time.monotonic() - began > 10:
                waiting_said = True
                missing = sorted(set(SERVICES) - announced) or ["the gateway's /readyz"]
                self._console.sink("atalaia")(f"still waiting for {', '.join(missing)}")
            await asyncio.sleep(0.05)

    def _gateway_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._settings.http_port}/readyz", timeout=1
            ) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError, urllib.error.URLError):
            return False

    async def _stop_all(self) -> None:
        """Services before servers: their last words need the servers."""
        services = [one for one in self._supervised if one.name in SERVICES]
        await asyncio.gather(*(one.stop() for one in services))
        await asyncio.gather(*(one.stop() for one in self._supervised if one not in services))


def _known_variables() -> set[str]:
    classes = (PlatformSettings, AlertingSettings, ApiSettings, CollectorSettings, LoadgenSettings)
    return {*PLATFORM_VARIABLES, *(name for one in classes for name in one.variables())}


async def _until_told(parent: int | None) -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)

    def watch() -> None:
        if os.getppid() != parent:
            stopping.set()
        else:
            loop.call_later(0.25, watch)

    if parent is not None:
        watch()
    return stopping


async def _main(settings: PlatformSettings, parent: int | None) -> None:
    console = Console(sys.stdout)
    folder = settings.data_dir.absolute()
    with owned(folder) as secrets:
        ports = Ports(settings.nats_port, settings.postgres_port, settings.redis_port)
        servers = make_servers(folder, secrets, ports, console.sink)
        await Platform(settings, servers, console, secrets.id).run(await _until_told(parent))


def _parser() -> argparse.ArgumentParser:
    variables = "\n".join(
        f"  {name:24} {field.description or ''} (default {field.get_default()})"
        for name, field in PlatformSettings.variables().items()
        if name.startswith("ATALAIA_") and not callable(field.default_factory)
    )
    parser = argparse.ArgumentParser(
        prog="python -m services",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"settings (environment):\n{variables}\n\nWhere NATS_URL, DATABASE_URL or REDIS_URL is set, "
        "that server is used and no local one is started.",
    )
    parser.add_argument(
        "--with-parent", type=int, metavar="PID", help="stop when this process, the parent, is gone"
    )
    return parser


def main() -> int:
    """Run until told to stop; return the exit code."""
    arguments = _parser().parse_args()
    try:
        settings = PlatformSettings.load()
        # what goes wrong with the broker is said by the services; the platform speaks through its console
        log.configure(service="platform", instance="", level="error", format=settings.log_format)
        asyncio.run(_main(settings, arguments.with_parent))
    except BaseExceptionGroup as group:
        known, bugs = group.split(AtalaiaError)
        if bugs is not None:
            raise bugs from None
        for error in known.exceptions if known else ():
            sys.stderr.write(f"atalaia: {error}\n")
        return 2
    except Misconfigured as error:
        sys.stderr.write(f"atalaia: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
