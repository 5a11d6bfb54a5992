"""Faults, by name: each is a context in which something is away, and after which it is back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import nats.js.errors
import psutil
from redis.asyncio import Redis

from atalaia.events.streams import ALERTS_STREAM, METRICS_STREAM
from tests.system.storm import disks
from tests.system.storm.door import Trap
from tests.system.storm.extra import Extra
from tests.system.storm.ledger import Ledger
from tests.system.storm.stage import SERVERS, SERVICES, Stage
from tests.system.storm.traffic import Traffic

COMMITS_WITHIN_S = 5.0
MISSING_AFTER_S = 7.5  # a service says every 2 s that it is there, and is missed after 6 s


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a fault may lay its hands on."""

    stage: Stage
    traffic: Traffic
    ledger: Ledger
    extra: Extra


@dataclass(frozen=True, slots=True)
class Fault:
    """`away`: what is not there meanwhile. `shows`: it must be seen in `/health/detailed`.

    `waits`: its beginning or its end waits for an effect, so that what breaks beside it comes later
    and is back before.
    """

    name: str
    away: frozenset[str]
    hold_s: float
    strike: Callable[[Scene], AbstractAsyncContextManager[None]]
    shows: bool = True
    waits: int = 0


def kill(name: str, away_s: float | None = None) -> Fault:
    """SIGKILL, then nothing for a while, then it is started again."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        stage = scene.stage
        if name in SERVERS:
            stage.process(name).kill()
            await stage.doors[name].shut()
            await stage.server(name).wait()
            yield
            await stage.server(name).start()
            await stage.doors[name].open()
        else:
            await stage.services[name].kill()
            yield
            await stage.services[name].start()

    usual_s = 4.0 if name in SERVERS or name == "api" else MISSING_AFTER_S
    return Fault(f"kill-{name}", frozenset({name}), away_s or usual_s, strike, shows=name != "api")


def freeze(name: str, seconds: float) -> Fault:
    """SIGSTOP of the process and all below it, then SIGCONT."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        process = scene.stage.process(name)
        family = [process, *process.children(recursive=True)]
        for one in family:
            _signal(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in family:
                _signal(one, signal.SIGCONT)

    shows = name != "api" and (name in SERVERS or seconds >= MISSING_AFTER_S)
    return Fault(f"freeze-{name}-{seconds:g}s", frozenset({name}), seconds, strike, shows)


def silence(name: str, seconds: float) -> Fault:
    """Connections are half open: nothing passes, nothing is closed; afterwards only new ones work."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        scene.stage.doors[name].go_silent()
        yield
        scene.stage.doors[name].listen_again()

    return Fault(f"silent-{name}-{seconds:g}s", frozenset({name}), seconds, strike)


def slow(name: str, delay_s: float, seconds: float) -> Fault:
    """Everything that is sent to the server is late."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        scene.stage.doors[name].delay_s = delay_s
        yield
        scene.stage.doors[name].delay_s = 0.0

    return Fault(f"slow-{name}", frozenset({name}), seconds, strike)


def commits(trap: Trap, seconds: float = 1.0) -> Fault:
    """Connections to the database die, or go silent, while they commit."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        door = scene.stage.doors["postgres"]
        before = door.trapped
        door.set_trap(b"COMMIT", trap)
        async with asyncio.timeout(COMMITS_WITHIN_S):
            while door.trapped == before:
                await asyncio.sleep(0.01)
        yield
        door.remove_trap()

    name = f"commit-{trap.name.lower().replace('_', '-')}"
    return Fault(name, frozenset({"postgres"}), seconds, strike, shows=False, waits=1)


def cut_sessions() -> Fault:
    """Every session of the database ends at once."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        await _end_sessions(scene.stage.servers.postgres.url)
        yield

    return Fault("cut-sessions", frozenset({"postgres"}), 0.0, strike, shows=False)


def delete_consumers() -> Fault:
    """Every consumer of the metrics stream is deleted behind its reader's back."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        async with scene.stage.nats() as client:
            manager = client.jsm()
            for info in await manager.consumers_info(METRICS_STREAM):
                await manager.delete_consumer(METRICS_STREAM, info.name)
        yield

    return Fault("delete-consumers", frozenset(), 0.0, strike, shows=False)


def delete_stream(name: str) -> Fault:
    """A stream is deleted; what it held is in the ledger, and judged, before."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        async with scene.traffic.quiet(), scene.stage.nats() as client:
            await scene.ledger.all_judged()
            await scene.ledger.read()
            await client.jsm().delete_stream(name)
            yield
            while not await _there(client.jsm(), name):
                await asyncio.sleep(0.1)

    short = name.removeprefix("ATALAIA_").lower()
    away = frozenset({"history"} if name == METRICS_STREAM else ())
    return Fault(f"delete-{short}", away, 0.0, strike, shows=False, waits=1)


def reload_rules() -> Fault:
    """A rule is removed, by SIGHUP; once its alerts have ended it comes back."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        await scene.extra.all_fire()
        scene.stage.write_rules(extra=False)
        _reload(scene.stage)
        yield
        await scene.extra.none_fires()
        scene.stage.write_rules(extra=True)
        _reload(scene.stage)
        await scene.extra.all_fire()

    return Fault("reload-rules", frozenset(), 0.0, strike, shows=False, waits=2)


def change_password(name: str, seconds: float = 4.0) -> Fault:
    """The server wants another password, from those who are connected, too; and then the old one again."""
    change = {"nats": _nats_password, "postgres": _postgres_password, "redis": _redis_password}[name]

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        old = scene.stage.server(name).password
        await change(scene.stage, old, "another")
        yield
        await change(scene.stage, "another", old)

    return Fault(f"password-{name}", frozenset({name}), seconds, strike)


def full_disk(name: str, seconds: float = 6.0) -> Fault:
    """The server's disk is full to the last byte. Where that ends the server, it is started again after."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        stage = scene.stage
        await asyncio.to_thread(disks.fill, stage.disks[name])
        yield
        disks.free(stage.disks[name])
        if name == "nats" or not stage.process(name).is_running():
            await stage.server(name).stop()  # a server without space gives JetStream up until it is restarted
            await stage.server(name).start()

    return Fault(f"full-disk-{name}", frozenset({name}), seconds, strike, shows=name == "nats")


def several(*faults: Fault) -> Fault:
    """At once, until the last is over."""

    @asynccontextmanager
    async def strike(scene: Scene) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for fault in sorted(faults, key=lambda one: -one.waits):
                await stack.enter_async_context(fault.strike(scene))
            yield

    return Fault(
        "+".join(fault.name for fault in faults),
        frozenset().union(*(fault.away for fault in faults)),
        max(fault.hold_s for fault in faults),
        strike,
        shows=any(fault.shows for fault in faults) and not any("api" in fault.away for fault in faults),
    )


async def _end_sessions(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    finally:
        await connection.close()


async def _there(manager: nats.js.JetStreamManager, name: str) -> bool:
    try:
        await manager.stream_info(name)
    except nats.js.errors.NotFoundError:
        return False
    return True


def _reload(stage: Stage) -> None:
    for name, service in stage.services.items():
        if service.name == "alerting" and service.running:
            _signal(stage.process(name), signal.SIGHUP)


async def _nats_password(stage: Stage, old: str, new: str) -> None:
    config = stage.servers.nats.data / "nats.conf"
    config.write_text(config.read_text().replace(f'"{old}"', f'"{new}"'))
    _signal(stage.process("nats"), signal.SIGHUP)


async def _postgres_password(stage: Stage, old: str, new: str) -> None:
    server = stage.servers.postgres
    url = server.url.replace(server.password, old)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"ALTER ROLE atalaia PASSWORD '{new}'")
    finally:
        await connection.close()
    await _end_sessions(server.url.replace(server.password, new))


async def _redis_password(stage: Stage, old: str, new: str) -> None:
    server = stage.servers.redis
    async with Redis.from_url(server.url.replace(server.password, old)) as client:
        await client.config_set("requirepass", new)
    stage.doors["redis"].cut()  # unlike the others it lets those stay who are connected


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


KILLS = [kill(name) for name in (*SERVERS, *SERVICES)]
SINGLE = [
    *KILLS,
    freeze("nats", 5),
    freeze("postgres", 5),
    freeze("redis", 3),
    freeze("alerting", 4),
    silence("nats", 6),
    silence("postgres", 5),
    slow("postgres", 1.2, 5),
    commits(Trap.CUT_BEFORE),
    commits(Trap.CUT_AFTER),
    cut_sessions(),
    delete_consumers(),
    delete_stream(METRICS_STREAM),
    delete_stream(ALERTS_STREAM),
    change_password("nats"),
    change_password("postgres"),
    reload_rules(),
]
FREEZES = [freeze(name, 30) for name in (*SERVERS, *SERVICES)]
LONG = [
    *FREEZES,
    silence("redis", 4),
    silence("nats", 30),
    silence("postgres", 30),
    commits(Trap.SILENT),
    change_password("redis"),
]
FULL_DISKS = [full_disk("nats"), full_disk("postgres")]
BY_NAME = {fault.name: fault for fault in (*SINGLE, *LONG, *FULL_DISKS)}
