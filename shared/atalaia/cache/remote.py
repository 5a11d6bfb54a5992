"""Redis behind a breaker: short limits, and a healer, so that no call ever pays for finding out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from atalaia.errors import Refused, Transient
from atalaia.resilience.breaker import Breaker
from atalaia.resilience.ending import ended

T = TypeVar("T")
CALL_WITHIN_S = 0.05
BULK_WITHIN_S = 10.0
AT_ONCE = 20
PROBED_AFTER_S, PROBED_AT_LEAST_EVERY_S = 0.25, 1.0


class Remote:
    """One Redis. `mend` runs before the circuit closes again: what must be done first is done there."""

    def __init__(
        self, url: str, *, within_s: float = CALL_WITHIN_S, mend: Callable[[Redis], Awaitable[None]]
    ) -> None:
        self.url = url
        self.within_s = within_s
        self._mend = mend
        self._breaker = Breaker(first_s=PROBED_AFTER_S, most_s=PROBED_AT_LEAST_EVERY_S)
        self._calls = client(url, within_s)
        self._bulk = client(url, BULK_WITHIN_S)  # walks take longer than a read may
        # beside the time limit, not in it: a crowd of our own must not look like a slow server
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._healing: asyncio.Task[None] | None = None
        self._answered = 0
        self._answered_s = 0.0

    @property
    def available(self) -> bool:
        return self._breaker.closed

    @property
    def mean_s(self) -> float | None:
        """Return how long an answer takes in the mean."""
        return self._answered_s / self._answered if self._answered else None

    async def call(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Run one command.

        Raises:
            Refused: Redis was away a moment ago.
            Transient: it is away or slow.
        """
        async with self._slots:
            if not self._breaker.closed:
                self.heal()
                retry_in_s = self._breaker.retry_in_s(time.monotonic())
                raise Refused("redis was away a moment ago", retry_in_s=retry_in_s)
            began_s = time.monotonic()
            try:
                answer = await _ours(self._calls, command, self.within_s)
            except Transient:
                self._breaker.failed(time.monotonic(), dice=random.random())
                if not self._breaker.closed:
                    self.heal()
                raise
            self._breaker.succeeded()
            self._count(began_s)
            return answer

    async def bulk(self, command: Callable[[Redis], Awaitable[T]], *, within_s: float = BULK_WITHIN_S) -> T:
        """Run what may take longer; that it took too long says nothing of others. Raises as `call`."""
        await self.call(_echoed)  # a hung server is found out sooner
        began_s = time.monotonic()
        answer = await _ours(self._bulk, command, within_s)
        self._count(began_s)
        return answer

    async def ping(self) -> float:
        """Return the time of a round trip in seconds, asked of the server even while the circuit is open.

        Raises:
            Transient: away or slow.
        """
        began_s = time.monotonic()
        await _ours(self._bulk, _echoed, BULK_WITHIN_S)
        return time.monotonic() - began_s

    def heal(self) -> None:
        """Refuse calls until Redis answers and `mend` has succeeded."""
        if self._breaker.closed:
            self._breaker.trip(time.monotonic(), dice=random.random())
        if self._healing is None:
            self._healing = asyncio.create_task(self._heal())

    async def close(self, *, within_s: float) -> None:
        """Hang up. What does not end in time is left to the end of the loop."""
        if self._healing is not None:
            await ended({self._healing}, within_s=within_s / 2)
        try:
            async with asyncio.timeout(within_s / 2):
                for redis in (self._calls, self._bulk):
                    await redis.aclose()
                    await redis.connection_pool.disconnect()
        except (RedisError, OSError, TimeoutError):
            return

    def _count(self, began_s: float) -> None:
        self._answered += 1
        self._answered_s += time.monotonic() - began_s

    async def _heal(self) -> None:
        try:
            while not self._breaker.closed:
                await asyncio.sleep(self._breaker.retry_in_s(time.monotonic()))
                await self._probe()
        finally:
            self._healing = None

    async def _probe(self) -> None:
        try:
            probe = self._breaker.enter(time.monotonic())
        except Refused:  # timers come up to a millisecond early
            return
        try:
            await _ours(self._calls, _echoed, self.within_s)
            await _ours(self._bulk, self._mend, BULK_WITHIN_S)
        except Transient:
            self._breaker.failed(time.monotonic(), probe=probe, dice=random.random())
        except BaseException:
            self._breaker.abandoned(probe=probe)
            raise
        else:
            self._breaker.succeeded(probe=probe)


async def _echoed(redis: Redis) -> None:
    await redis.echo("")


async def _ours(redis: Redis, command: Callable[[Redis], Awaitable[T]], within_s: float) -> T:
    try:
        async with asyncio.timeout(within_s):
            return await command(redis)
    except (RedisError, OSError, TimeoutError) as error:
        raise Transient(f"redis: {str(error) or type(error).__name__}") from error


def client(url: str, timeout_s: float | None) -> Redis:
    """Return a client that tries once. `timeout_s` None: it may wait for as long as it takes."""
    pool = ConnectionPool.from_url(
        url,
        max_connections=10 * AT_ONCE,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s or 1.0, 1.0),
        retry=Retry(NoBackoff(), 0),
        client_name="atalaia",
    )
    return Redis(connection_pool=pool)
