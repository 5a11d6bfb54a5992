"""What other processes invalidate, heard at once. What is missed here ends with the local tier's seconds."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable

from redis.exceptions import RedisError

from atalaia.cache.patterns import Pattern, pattern
from atalaia.cache.remote import client
from atalaia.resilience.backoff import delay_s


class News:
    """Listens for as long as it runs. `missed` is called when messages may have been."""

    def __init__(
        self, url: str, channel: str, heard: Callable[[Pattern], None], missed: Callable[[], None]
    ) -> None:
        self._url = url
        self._channel = channel
        self._heard = heard
        self._missed = missed
        self._me = secrets.token_hex(4)

    def told(self, patterns: Iterable[Pattern]) -> bytes:
        """Return a message for everybody else."""
        return json.dumps({"by": self._me, "patterns": [one.text for one in patterns]}).encode()

    async def run(self) -> None:
        failures = 0
        while True:
            redis = client(self._url, None)
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    failures = 0
                    self._missed()
                    async for message in subscription.listen():
                        self._read(message["data"])
            except (RedisError, OSError):
                failures += 1
            finally:
                await redis.aclose()
                await redis.connection_pool.disconnect()
            await asyncio.sleep(delay_s(failures, first_s=0.1, most_s=2.0))

    def _read(self, message: bytes) -> None:
        try:
            told = json.loads(message)
            patterns = [pattern(text) for text in told["patterns"] if told["by"] != self._me]
        except (ValueError, KeyError, TypeError):
            return
        for one in patterns:
            self._heard(one)
