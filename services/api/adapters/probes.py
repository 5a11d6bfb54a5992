"""Dependencies, probed once a second; what hangs is slow, then down."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nats.aio.client import Client

from atalaia import broker
from atalaia.cache import Cache
from atalaia.database import Pool
from atalaia.errors import Transient
from services.api.ports import DependencyReport

PROBE_EVERY_S = 1.0
SLOW_S = 1.0
DOWN_S = 3.0
AGAIN_S = 0.25  # a return is noticed sooner than a loss
Probe = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Watched:
    probe: Probe | None
    optional: bool
    every_s: float = PROBE_EVERY_S
    asked_s: float | None = None
    latency_s: float | None = None
    failure: str | None = None
    asked: int = 0


class Probes:
    """`reports` never waits: it tells what the last probe found, and how long the present one takes."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}

    def watch(
        self, name: str, probe: Probe | None, *, optional: bool = False, every_s: float = PROBE_EVERY_S
    ) -> None:
        """Probe by calling; None: not configured. A probe fails with `Transient`."""
        self._watched[name] = _Watched(probe, optional, every_s)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for watched in self._watched.values():
                if watched.probe is not None:
                    group.create_task(self._keep(watched, watched.probe))

    def reports(self) -> dict[str, DependencyReport]:
        return {name: _report(watched) for name, watched in self._watched.items()}

    async def asked_again(self, *, within_s: float = 5.0) -> None:
        """Wait until every probe has answered once more, at most `within_s`."""
        before = {name: watched.asked for name, watched in self._watched.items() if watched.probe}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while any(self._watched[name].asked < count + 1 for name, count in before.items()):
                    await asyncio.sleep(0.02)

    async def _keep(self, watched: _Watched, probe: Probe) -> None:
        while True:
            watched.asked_s = began_s = time.monotonic()
            try:
                async with asyncio.timeout(DOWN_S):
                    await probe()
                watched.failure = None
            except TimeoutError:
                watched.failure = f"no answer within {DOWN_S:g} s"
            except Transient as error:
                watched.failure = str(error)
            watched.latency_s = time.monotonic() - began_s
            watched.asked_s = None
            watched.asked += 1
            await asyncio.sleep(AGAIN_S if watched.failure else watched.every_s)


def _report(watched: _Watched) -> DependencyReport:
    if watched.probe is None:
        return DependencyReport("off", None, "none is configured", watched.optional)
    if watched.failure is not None:
        return DependencyReport("down", None, watched.failure, watched.optional)
    waited_s = time.monotonic() - watched.asked_s if watched.asked_s is not None else 0.0
    latency_s = max(watched.latency_s or 0.0, waited_s if waited_s > SLOW_S else 0.0)
    if latency_s > SLOW_S:
        return DependencyReport("slow", latency_s, f"answers after {latency_s:.1f} s", watched.optional)
    return DependencyReport("up", watched.latency_s, "", watched.optional)


def nats_probe(client: Client) -> Probe:
    async def ask() -> None:
        await broker.flush(client, within_s=DOWN_S)

    return ask


def postgres_probe(pool: Pool) -> Probe:
    async def ask() -> None:
        async with pool.session() as connection:
            await connection.fetchval("SELECT 1")

    return ask


def cache_probe(cache: Cache) -> Probe:
    return cache.ping


def http_probe(url: str) -> Probe:
    """Ask an address for anything but an error of its server."""

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=DOWN_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                if error.code >= 500:
                    raise Transient(f"answers {error.code}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Transient(str(error) or type(error).__name__) from error

    return lambda: asyncio.to_thread(ask)
