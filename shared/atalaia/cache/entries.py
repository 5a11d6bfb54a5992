"""Entries in Redis: a value, the generations it belongs to, and a lease for whoever makes the next one.

A label (`users`, `users:get_user`) has a generation: a random token under `~:<label>`. A value is good only
while the tokens it was *claimed* under, before it was loaded, are still there; to invalidate a label is to
remove its token, whatever the number of keys. A lost token (evicted, expired) is an invalidation too, never
the opposite. A lease is a field of the entry itself: removing a key removes the right to store it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from atalaia.cache.patterns import Pattern, Reach

GENERATION = "~:"
KEPT_AT_LEAST_MS = 24 * 3600 * 1000  # a generation, after its last load
WALKED_AT_ONCE = 1000

_COMMON = """
local function current()
  local found = redis.call('MGET', KEYS[2], KEYS[3])
  return found, found[1] and found[2] and (found[1] .. found[2])
end
"""
_CLAIM = (
    _COMMON
    + """
-- ARGV: token, lease ms, how long a generation is kept in ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found, generation = current()
local entry = redis.call('HMGET', KEYS[1], 'value', 'generation', 'dies', 'early', 'until', 'leased')
local left = generation and entry[2] == generation and tonumber(entry[3]) - now or 0
local value = left > 0 and entry[1]
if value and left > tonumber(entry[4]) then return {'found', value, left} end
if entry[5] and tonumber(entry[5]) > now and generation and entry[6] == generation then
  return value and {'found', value, left} or {'leased'}
end
for i = 1, 2 do
  if not found[i] then
    redis.call('SET', KEYS[i + 1], ARGV[1], 'PX', ARGV[3])
  elseif redis.call('PTTL', KEYS[i + 1]) < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[i + 1], ARGV[3])
  end
end
found, generation = current()
if not value then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'lease', ARGV[1], 'until', now + ARGV[2], 'leased', generation)
if left < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return value and {'early', value, left} or {'claimed'}
"""
)
_STORE = (
    _COMMON
    + """
-- ARGV: token, value, ttl ms, early ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'lease', 'leased')
local found, generation = current()
if lease[1] ~= ARGV[1] or not generation or lease[2] ~= generation then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'generation', generation)
redis.call('HSET', KEYS[1], 'dies', now + ARGV[3], 'early', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
)
_RELEASE = """
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[1], 'value') == 1 then
  return redis.call('HDEL', KEYS[1], 'lease', 'until', 'leased')
end
return redis.call('DEL', KEYS[1])
"""
_SHA = {script: hashlib.sha1(script.encode()).hexdigest() for script in (_CLAIM, _STORE, _RELEASE)}


@dataclass(frozen=True, slots=True)
class Found:
    """A good value; with `early`, an old one, and the caller holds the lease to make the next."""

    payload: bytes
    left_s: float
    early: bool = False


class Other(Enum):
    """There is no value, and the caller is to make it; or somebody else does."""

    CLAIMED = "claimed"
    LEASED = "leased"


class Entries:
    """What is below `prefix`. Takes the client at each call; every method raises what redis-py raises."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.channel = f"{prefix}~invalidated"

    async def claim(
        self,
        redis: Redis,
        key: str,
        labels: tuple[str, ...],
        lease: str,
        *,
        lease_s: float,
        ttl_s: float,
    ) -> Found | Other:
        """Look a value up, and where there is none, or an old one, ask for the right to make it."""
        kept_ms = max(KEPT_AT_LEAST_MS, 2 * _ms(ttl_s))
        match await self._run(redis, _CLAIM, self._keys(key, labels), lease, _ms(lease_s), kept_ms):
            case [b"found" | b"early" as kind, payload, left_ms]:
                return Found(payload, left_ms / 1000, kind == b"early")
            case [b"claimed"]:
                return Other.CLAIMED
            case _:
                return Other.LEASED

    async def store(
        self,
        redis: Redis,
        key: str,
        labels: tuple[str, ...],
        lease: str,
        payload: bytes,
        *,
        ttl_s: float,
        early_s: float,
    ) -> bool:
        """Store under a lease; False if it ran out, or the key was invalidated meanwhile."""
        keys = self._keys(key, labels)
        return bool(await self._run(redis, _STORE, keys, lease, payload, _ms(ttl_s), _ms(early_s)))

    async def release(self, redis: Redis, key: str, lease: str) -> None:
        """Give a lease back, so that nobody waits for it."""
        await self._run(redis, _RELEASE, [self.prefix + key], lease)

    async def remove(self, redis: Redis, key: str) -> None:
        await redis.unlink(self.prefix + key)

    async def invalidate(self, redis: Redis, patterns: Iterable[Pattern], news: bytes) -> None:
        """Invalidate what takes no walk, and tell everybody."""
        pipe = redis.pipeline(transaction=False)
        keys = [
            self.prefix + (GENERATION + one.label if one.reach is Reach.LABEL else one.text)
            for one in patterns
            if one.reach is not Reach.WALK
        ]
        if keys:
            pipe.unlink(*keys)
        pipe.publish(self.channel, news)
        await pipe.execute()

    async def walk(self, redis: Redis, glob: str) -> int:
        """Remove what matches, below the prefix, and return how many; Redis serves others meanwhile."""
        removed = 0
        batch: list[bytes] = []
        generations: list[bytes] = []  # as many as functions; nobody's entries
        async for key in redis.scan_iter(match=_escaped(self.prefix) + glob, count=WALKED_AT_ONCE):
            (generations if self._is_generation(key) else batch).append(key)
            if len(batch) >= WALKED_AT_ONCE:
                removed += int(await redis.unlink(*batch))
                batch.clear()
        if generations:
            await redis.unlink(*generations)
        return removed + (int(await redis.unlink(*batch)) if batch else 0)

    async def count(self, redis: Redis) -> int:
        count = 0
        async for key in redis.scan_iter(match=f"{_escaped(self.prefix)}*", count=WALKED_AT_ONCE):
            count += not self._is_generation(key)
        return count

    def _is_generation(self, key: bytes) -> bool:
        return key.startswith((self.prefix + GENERATION).encode())

    def _keys(self, key: str, labels: tuple[str, ...]) -> list[str]:
        return [self.prefix + key, *(self.prefix + GENERATION + label for label in labels)]

    async def _run(self, redis: Redis, script: str, keys: list[str], *arguments: Any) -> Any:
        try:
            return await redis.evalsha(_SHA[script], len(keys), *keys, *arguments)
        except NoScriptError:  # another server than last time, or the same one restarted
            return await redis.eval(script, len(keys), *keys, *arguments)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _escaped(literal: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in literal)
