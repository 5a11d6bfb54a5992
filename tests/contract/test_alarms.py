"""Every alarm rings when it is due, once, and not before."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

from services.loadgen.adapters.alarm import Alarm, LoopAlarm, TimerfdAlarm

KINDS: list[Callable[[Callable[[], None]], Alarm]] = [LoopAlarm]
if sys.platform == "linux":
    KINDS.append(TimerfdAlarm)
MS = 1_000_000


class Heard:
    def __init__(self, kind: Callable[[Callable[[], None]], Alarm]) -> None:
        self.at_ns: list[int] = []
        self._rang = asyncio.Event()
        self.alarm = kind(self._ring)

    def _ring(self) -> None:
        self.at_ns.append(time.monotonic_ns())
        self._rang.set()

    async def once(self) -> int:
        async with asyncio.timeout(5):
            await self._rang.wait()
        self._rang.clear()
        return self.at_ns[-1]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
async def heard(request: pytest.FixtureRequest) -> Heard:
    return Heard(request.param)


async def test_it_does_not_ring_before_it_is_due(heard: Heard) -> None:
    due_ns = time.monotonic_ns() + 20 * MS
    heard.alarm.arm(due_ns)
    early_ns = 0 if heard.alarm.precise else 1 * MS  # a loop's timer may round
    assert await heard.once() >= due_ns - early_ns
    heard.alarm.close()


async def test_what_is_due_already_rings_at_once(heard: Heard) -> None:
    heard.alarm.arm(time.monotonic_ns() - 5 * MS)
    await heard.once()
    heard.alarm.arm(1)
    await heard.once()
    heard.alarm.close()


async def test_arming_anew_replaces_what_was_armed(heard: Heard) -> None:
    now_ns = time.monotonic_ns()
    heard.alarm.arm(now_ns + 3600 * 1000 * MS)
    heard.alarm.arm(now_ns + 5 * MS)
    await heard.once()
    assert len(heard.at_ns) == 1
    heard.alarm.close()


async def test_closed_it_is_silent(heard: Heard) -> None:
    heard.alarm.arm(time.monotonic_ns() + 5 * MS)
    heard.alarm.close()
    other = Heard(LoopAlarm)
    other.alarm.arm(time.monotonic_ns() + 20 * MS)
    await other.once()
    assert heard.at_ns == []
