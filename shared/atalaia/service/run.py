"""A service's process: settings, logs, signals, the loop, the exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import uvloop

from atalaia import log
from atalaia.errors import Misconfigured
from atalaia.service.health import answering
from atalaia.service.lifecycle import Lifecycle
from atalaia.settings import Settings, unknown_variables

S = TypeVar("S", bound=Settings)
EXIT_MISCONFIGURED = 2
# read by the platform, the tests or another service: known everywhere, though no single service reads them
PLATFORM_VARIABLES = (
    "ATALAIA_DATA_DIR",
    "ATALAIA_HTTP_PORT",
    "ATALAIA_NATS_PORT",
    "ATALAIA_POSTGRES_PORT",
    "ATALAIA_REDIS_PORT",
    "ATALAIA_EXAMPLE_PORT",
    "ATALAIA_APP_INTERVAL_S",
    "ATALAIA_APP_MOST_SERIES",
    "ATALAIA_SUBSCRIBER_URL",
    "ATALAIA_NOTIFY_URLS",
    "ATALAIA_PUBLIC_URL",
    "ATALAIA_SETTINGS_DIR",
)


def run(service: str, settings: type[S], serve: Callable[[S, Lifecycle], Awaitable[None]]) -> int:
    """Run one service until SIGTERM or SIGINT; SIGHUP sets `reloads`. Return the exit code.

    `serve` returns once `stopping` is set and everything of its own is closed.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is loaded yet that could be loaded again
    try:
        loaded = settings.load()
        log.configure(
            service=service, instance=loaded.instance, level=loaded.log_level, format=loaded.log_format
        )
        _warn_about_strangers(settings)
        _collect_seldom()
        uvloop.run(_serve(loaded, serve))
    except Misconfigured as error:
        sys.stderr.write(f"{service}: {error}\n")
        return EXIT_MISCONFIGURED
    return 0


def _collect_seldom() -> None:
    """Have the garbage collector leave alone what is loaded by now, and look at the rest less often.

    Little of what a service makes is garbage in cycles, which alone needs it; while a backlog is taken,
    Python's own thresholds would have it look through everything again at each quarter that it grows.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _serve(settings: S, serve: Callable[[S, Lifecycle], Awaitable[None]]) -> None:
    lifecycle = Lifecycle()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lifecycle.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, lifecycle.reloads.set)
    async with answering(lifecycle, settings.health_listen):
        await serve(settings, lifecycle)


def _warn_about_strangers(settings: type[Settings]) -> None:
    # a service is started beside others: what any of them reads is no stranger
    known = {name for cls in (settings, *_all_settings(Settings)) for name in cls.variables()}
    prefix = f"ATALAIA_{settings.__module__.split('.')[1].upper()}_"
    for name, nearest in unknown_variables(os.environ, {*known, *PLATFORM_VARIABLES}):
        elsewhere = any(name.startswith(f"ATALAIA_{other}_") for other in _SERVICES) and not name.startswith(
            prefix
        )
        if not elsewhere:
            log.get("settings").warning("unknown_setting", name=name, did_you_mean=nearest)


_SERVICES = ("COLLECTOR", "ALERTING", "API", "LOADGEN")


def _all_settings(base: type[Settings]) -> list[type[Settings]]:
    return [base, *(deeper for cls in base.__subclasses__() for deeper in _all_settings(cls))]
