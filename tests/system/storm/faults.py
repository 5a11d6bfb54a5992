"""Faults, by name: each is done to a running platform and undone again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import psutil

from tests.system.platform import Platform, await_that

COMMANDS = {
    "nats": "nats-server",
    "postgres": "postgres",
    "redis": "valkey-server",
    "alerting": "services.alerting",
    "api": "services.api",
    "collector": "services.collector",
    "loadgen": "services.loadgen",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`victim`: whose failed reads are excused. `strike` returns once the fault is over."""

    name: str
    victim: str
    strike: Callable[[Platform], Awaitable[None]]


def kill(name: str) -> Fault:
    """SIGKILL; the platform starts it again."""

    async def strike(platform: Platform) -> None:
        victim = platform.child(COMMANDS[name])
        victim.kill()
        await asyncio.to_thread(
            await_that, lambda: _another(platform, COMMANDS[name], victim), within_s=20.0, what=name
        )

    return Fault(f"kill-{name}", name, strike)


def freeze(name: str, seconds: float) -> Fault:
    """SIGSTOP of the process and all below it, then SIGCONT."""

    async def strike(platform: Platform) -> None:
        process = platform.child(COMMANDS[name])
        family = [process, *process.children(recursive=True)]
        for one in family:
            _signal(one, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for one in family:
                _signal(one, signal.SIGCONT)

    return Fault(f"freeze-{name}-{seconds:g}s", name, strike)


def cut_sessions() -> Fault:
    """Every session of the database ends at once."""

    async def strike(platform: Platform) -> None:
        connection = await asyncpg.connect(platform.urls()["DATABASE_URL"])
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        await connection.close()

    return Fault("cut-sessions", "postgres", strike)


def delete_consumers() -> Fault:
    """Every consumer of the metrics stream is deleted behind its reader's back."""

    async def strike(platform: Platform) -> None:
        async with platform.nats() as client:
            manager = client.jsm()
            for info in await manager.consumers_info("ATALAIA_METRICS"):
                await manager.delete_consumer("ATALAIA_METRICS", info.name)

    return Fault("delete-consumers", "nats", strike)


def reload_rules() -> Fault:
    async def strike(platform: Platform) -> None:
        platform.child(COMMANDS["alerting"]).send_signal(signal.SIGHUP)

    return Fault("reload-rules", "alerting", strike)


def several(*faults: Fault) -> Fault:
    """At once."""

    async def strike(platform: Platform) -> None:
        await asyncio.gather(*(fault.strike(platform) for fault in faults))

    victims = "api" if any(fault.victim == "api" for fault in faults) else faults[0].victim
    return Fault("+".join(fault.name for fault in faults), victims, strike)


SINGLE = [
    *(kill(name) for name in COMMANDS),
    freeze("nats", 5),
    freeze("postgres", 5),
    freeze("redis", 3),
    freeze("alerting", 5),
    cut_sessions(),
    delete_consumers(),
    reload_rules(),
]
BY_NAME = {fault.name: fault for fault in SINGLE}


def _another(platform: Platform, command: str, than: psutil.Process) -> bool:
    for child in platform.children():
        try:
            alive = child.pid != than.pid and child.status() != psutil.STATUS_ZOMBIE
            if alive and command in " ".join(child.cmdline()):
                return True
        except psutil.NoSuchProcess:
            continue
    return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return
