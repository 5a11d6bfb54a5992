"""A Valkey of each test's own: most of these tests hurt it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from atalaia.cache import Cache
from atalaia.embedded import ValkeyServer, free_port
from tests.system.cache.worker import Worker


class Valkey(ValkeyServer):
    def signal(self, number: signal.Signals) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.wait()


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    server = Valkey(tmp_path / "valkey", port=free_port(), password="secret", sink=lambda _: None)
    await server.start()
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            server.signal(signal.SIGCONT)
        await server.stop()


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Cache]]:
    """Open caches that are closed after the test. One second a command: these tests are not about speed."""
    async with AsyncExitStack() as stack:

        def open_cache(url: str | None, **options: Any) -> Cache:
            cache = Cache(url, **{"within_s": 1.0, **options})
            stack.push_async_callback(cache.close)
            return cache

        yield open_cache


@pytest.fixture
async def worker(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start other processes that share a cache, and the file that their function reads."""
    async with AsyncExitStack() as stack:

        async def start(**settings: str) -> Worker:
            return await stack.enter_async_context(Worker.started(valkey.url, tmp_path / "truth", **settings))

        yield start
