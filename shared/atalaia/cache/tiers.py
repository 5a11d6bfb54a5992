"""A local tier, Redis behind it, one flight per key, invalidations that are not lost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from redis.asyncio import Redis

from atalaia import log as _log
from atalaia.cache.counts import Book, Counts
from atalaia.cache.entries import Entries, Found, Other
from atalaia.cache.flights import Closed, Flight, Flights
from atalaia.cache.local import LocalTier
from atalaia.cache.news import News
from atalaia.cache.patterns import Pattern, Reach, pattern, widened
from atalaia.cache.remote import CALL_WITHIN_S, Remote
from atalaia.errors import Refused, Transient

T = TypeVar("T")
_log_ = _log.get("cache")
MIB = 2**20
EARLY = 0.2  # the last part of an entry's life, in which one caller makes the next one
LOOKED_AGAIN_S, LOOKED_AGAIN_AT_LEAST_S = 0.005, 0.05
MOST_OWED = 1000
CLOSED_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Terms:
    """How the results of one function are kept."""

    namespace: str
    labels: tuple[str, ...]
    ttl_s: float
    flight_s: float


@dataclass(frozen=True, slots=True)
class Made:
    """What is kept for `ttl_s`."""

    payload: bytes
    ttl_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Passed(Generic[T]):
    """What is for those alone who wait for it."""

    result: Callable[[], T]


Outcome = Made | Passed[T]
Load = Callable[[], Awaitable[Outcome[Any]]]


class Tiers:
    """The cache without its decorators; see `Cache`."""

    def __init__(
        self,
        url: str | None,
        *,
        prefix: str = "atalaia:",
        local_s: float = 2.0,
        local_entries: int = 10_000,
        local_bytes: int = 32 * MIB,
        within_s: float = CALL_WITHIN_S,
    ) -> None:
        self._entries = Entries(prefix)
        self._local = LocalTier(most_entries=local_entries, most_bytes=local_bytes)
        self._local_s = local_s
        self._flights: Flights[Outcome[Any]] = Flights()
        self._book = Book()
        self._owed: dict[str, Pattern] = {}
        self._unreleased: dict[str, str] = {}  # lease: key
        self._remote = Remote(url, within_s=within_s, mend=self._mend) if url else None
        self._news = News(url, self._entries.channel, self._take_back, self._local.clear) if url else None
        self._listening = False
        self._closed = False

    def counts(self, namespace: str) -> Counts:
        return self._book.of(namespace)

    async def fetch(self, key: str, terms: Terms, load: Callable[[], Awaitable[Outcome[T]]]) -> Outcome[T]:
        """Return what is kept under the key, else what `load` brings, called once for all who ask.

        Raises what `load` raises.
        """
        if self._closed:
            return await load()
        now_s = time.monotonic()
        kept = self._local.get(key, now_s)
        if kept is not None and now_s < kept.fresh_until_s:
            self._book.of(terms.namespace).local_hits += 1
            return Made(kept.payload)
        self._listen()

        async def fly(flight: Flight[Outcome[Any]]) -> Outcome[Any]:
            return await self._fly(flight, terms, load)

        if kept is not None:
            if not self._flights.under_way(key):
                self._flights.start(key, fly)
            self._book.of(terms.namespace).local_hits += 1
            return Made(kept.payload)
        try:
            outcome, led = await self._flights.join(key, fly, most_s=terms.flight_s)
        except Closed:
            return await load()
        if not led:
            self._book.of(terms.namespace).joined += 1
        return outcome

    async def forget(self, key: str) -> None:
        """Remove one entry that turned out to be of no use; if Redis is away, here alone."""
        self._take_back(pattern(key))
        if self._remote is not None:
            with contextlib.suppress(Transient):
                await self._remote.call(lambda redis: self._entries.remove(redis, key))

    async def invalidate_each(self, patterns: list[Pattern]) -> bool:
        """As `invalidate`, for patterns that have been read."""
        try:
            await self._tell(patterns)
        except Transient:
            self._owe(patterns)
            return False
        except asyncio.CancelledError:
            self._owe(patterns)
            raise
        finally:
            for one in patterns:
                self._take_back(one)
        return True

    async def close(self) -> None:
        """End what runs in the background, within two seconds. Calls in flight go on without the cache."""
        self._closed = True
        await self._flights.close(within_s=CLOSED_WITHIN_S / 2)
        if self._remote is not None:
            await self._remote.close(within_s=CLOSED_WITHIN_S / 2)
        if self._owed:
            _log_.warning("invalidations_lost", patterns=list(self._owed)[:10], count=len(self._owed))

    def _listen(self) -> None:
        if self._news is not None and not self._listening:
            self._listening = True
            self._flights.spawn(self._news.run())

    async def _fly(self, flight: Flight[Outcome[Any]], terms: Terms, load: Load) -> Outcome[Any]:
        counts = self._book.of(terms.namespace)
        lease = secrets.token_hex(8)
        looked_s, found = await self._look(flight, terms, lease)
        if isinstance(found, Found):
            counts.redis_hits += 1
            self._keep(flight, terms, found.payload, looked_s, found.left_s)
            if found.early:
                counts.early_refreshes += 1
                self._flights.start(
                    flight.key, lambda next_one: self._make(next_one, terms, load, lease), joined=False
                )
            return Made(found.payload)
        counts.misses += 1
        counts.skipped += not found
        return await self._make(flight, terms, load, lease if found else None)

    async def _look(self, flight: Flight[Any], terms: Terms, lease: str) -> tuple[float, Found | bool]:
        """Return when Redis was asked, and a value, or whether the lease may be ours."""
        pause_s = LOOKED_AGAIN_S
        began_s = time.monotonic()
        while self._remote is not None:
            now_s = time.monotonic()
            try:
                answer = await self._ask(
                    terms,
                    functools.partial(
                        self._entries.claim,
                        key=flight.key,
                        labels=terms.labels,
                        lease=lease,
                        lease_s=terms.flight_s,
                        ttl_s=terms.ttl_s,
                    ),
                )
            except Refused:
                break
            except Transient:
                return now_s, True  # it may have been read, and the answer lost
            if answer is Other.CLAIMED:
                return now_s, True
            if isinstance(answer, Found):
                return now_s, answer
            if now_s - began_s >= terms.flight_s:
                break  # whoever makes it may be dead, or hang
            await asyncio.sleep(pause_s)
            pause_s = min(1.5 * pause_s, LOOKED_AGAIN_AT_LEAST_S)
        return time.monotonic(), False

    async def _make(
        self, flight: Flight[Outcome[Any]], terms: Terms, load: Load, lease: str | None
    ) -> Outcome[Any]:
        good_s = flight.calling_since_s = time.monotonic()
        stored: bool | None = None
        try:
            made = await load()
            if isinstance(made, Made):
                told_s = time.monotonic()
                stored = await self._store(flight.key, terms, made, lease)
                if stored is False:
                    self._book.of(terms.namespace).invalidated_meanwhile += 1
                else:  # stored: nothing had been invalidated until then
                    self._keep(flight, terms, made.payload, told_s if stored else good_s, made.ttl_s)
            return made
        finally:
            if lease is not None and not stored:
                await self._give_back(flight.key, terms, lease)

    async def _store(self, key: str, terms: Terms, made: Made, lease: str | None) -> bool | None:
        """Return whether it was stored; None: Redis is away."""
        if lease is None:
            return None
        try:
            return await self._ask(
                terms,
                functools.partial(
                    self._entries.store,
                    key=key,
                    labels=terms.labels,
                    lease=lease,
                    payload=made.payload,
                    ttl_s=made.ttl_s,
                    early_s=EARLY * made.ttl_s,
                ),
            )
        except Transient:
            return None

    async def _give_back(self, key: str, terms: Terms, lease: str) -> None:
        """Release a lease, so that nobody waits for it; once Redis is back if it is away."""
        try:
            await self._ask(terms, lambda redis: self._entries.release(redis, key, lease))
        except Transient:
            if len(self._unreleased) < MOST_OWED:
                self._unreleased[lease] = key

    def _keep(
        self, flight: Flight[Any], terms: Terms, payload: bytes, known_good_s: float, left_s: float
    ) -> None:
        """Keep in the local tier what was known to be good at a moment."""
        seconds = min(self._local_s, left_s)
        if flight.void or seconds <= 0:
            return
        early_in_s = left_s - EARLY * terms.ttl_s
        fresh_s = (1 - EARLY) * seconds
        self._local.put(
            flight.key,
            payload,
            labels=terms.labels,
            fresh_until_s=known_good_s + (min(fresh_s, early_in_s) if early_in_s > 0 else fresh_s),
            dead_at_s=known_good_s + seconds,
        )

    async def _ask(self, terms: Terms, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Return Redis' answer. Raises `Transient`."""
        if self._remote is None:
            raise Transient("no cache is configured")
        began_s = time.monotonic()
        answer = await self._remote.call(command)
        self._book.of(terms.namespace).redis.record(time.monotonic() - began_s)
        return answer

    def _take_back(self, one: Pattern) -> None:
        self._local.drop(one)
        self._flights.void(one)

    async def _tell(self, patterns: list[Pattern]) -> None:
        if self._remote is None or self._news is None:
            return
        news = self._news.told(patterns)
        for glob in _walks(patterns):
            await self._remote.bulk(functools.partial(self._entries.walk, glob=glob))
        await self._remote.call(lambda redis: self._entries.invalidate(redis, patterns, news))

    def _owe(self, patterns: Iterable[Pattern]) -> None:
        if not self._owed:
            _log_.warning("invalidations_owed", first=next((one.text for one in patterns), ""))
        self._owed |= {one.text: one for one in patterns}
        if len(self._owed) > MOST_OWED:
            self._owed = {one.text: one for one in widened(self._owed.values())}
        if self._remote is not None and not self._closed:
            self._remote.heal()

    async def _mend(self, redis: Redis) -> None:
        """Tell Redis what could not be told; until then nothing is read from it here."""
        while self._owed and self._news is not None:
            owed, self._owed = self._owed, {}
            try:
                for glob in _walks(owed.values()):
                    await self._entries.walk(redis, glob)
                await self._entries.invalidate(redis, owed.values(), self._news.told(owed.values()))
            except BaseException:
                self._owed = owed | self._owed
                raise
        while self._unreleased:
            lease, key = self._unreleased.popitem()
            await self._entries.release(redis, key, lease)
        if self._owed:
            await self._mend(redis)


def _walks(patterns: Iterable[Pattern]) -> list[str]:
    return [glob for one in patterns if one.reach is Reach.WALK for glob in one.globs]
