"""Publishes sources' values from a thread of its own: Playwright's calls hold this one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from atalaia.broker import EnduringClient
from tests.system.platform import Platform, Source

T = TypeVar("T")


class Publisher:
    def __init__(self, platform: Platform) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = EnduringClient()
        self._run(self._client.connect(platform.urls()["NATS_URL"]))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def publish(self, source: Source, *values: float, after_s: float = 10.0) -> None:
        async def send() -> None:
            for value in values:
                await self._client.publish(source.subject, source.body(value, after_s=after_s))
            await self._client.flush()

        self._run(send())

    def fire(self, source: Source, value: float = 0.99) -> None:
        """Publish values that a stock rule fires for."""
        self.publish(source, *[value] * 8)

    def raw(self, subject: str, body: bytes) -> None:
        async def send() -> None:
            await self._client.publish(subject, body)
            await self._client.flush()

        self._run(send())

    def close(self) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
