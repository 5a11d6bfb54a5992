"""A timer that is due to the microsecond: Linux' timerfd on the loop, where there is one.

libuv's own timers count milliseconds, so a schedule on `call_at` is up to one late.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1
TFD_NONBLOCK, TFD_CLOEXEC = os.O_NONBLOCK, getattr(os, "O_CLOEXEC", 0)
NS = 1_000_000_000


class Alarm(Protocol):
    """Calls back once after each `arm`; `precise` says whether to the microsecond."""

    precise: bool

    def arm(self, at_ns: int) -> None:
        """Ring at this CLOCK_MONOTONIC time; at once if it has passed. Replaces the last one."""

    def close(self) -> None: ...


def alarm(ring: Callable[[], None]) -> Alarm:
    """Return the most precise alarm there is here."""
    if sys.platform == "linux":
        try:
            return TimerfdAlarm(ring)
        except OSError:
            return LoopAlarm(ring)
    return LoopAlarm(ring)


class LoopAlarm:
    """The loop's own timer."""

    precise = False

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None

    def arm(self, at_ns: int) -> None:
        self.close()
        self._handle = self._loop.call_later(max(0.0, (at_ns - time.monotonic_ns()) / NS), self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class TimerfdAlarm:
    """A timerfd in absolute time. `os.timerfd_create` exists from Python 3.13; libc has it everywhere.

    Raises:
        OSError: no timerfd here, or no descriptor left for one.
    """

    precise = True

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._when = _Itimerspec()
        self._reference = ctypes.byref(self._when)
        self._set = self._libc.timerfd_settime
        self._loop.add_reader(self._fd, self._on_readable)

    def arm(self, at_ns: int) -> None:
        value = self._when.it_value
        value.tv_sec, value.tv_nsec = divmod(max(at_ns, 1), NS)
        self._set(self._fd, TFD_TIMER_ABSTIME, self._reference, None)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # armed anew since it rang
        self._ring()
