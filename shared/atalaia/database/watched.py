"""A connection that knows its age and tells of slow statements."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg

STATEMENT_SHOWN = 500
_OURS = (str(Path(asyncpg.__file__).parent), str(Path(__file__).parent))
_LOOP = str(Path(asyncio.__file__).parent)


class Fitness(Enum):
    """What is known of an idle connection before it is lent."""

    GOOD = auto()
    AGED = auto()  # has had its time
    SUSPECT = auto()  # others of its age were found dead
    UNPROVEN = auto()  # idle for a while: ask it


@dataclass(slots=True)
class Track:
    """When a connection was made, when it proved itself last, when it retires; seconds, monotonic."""

    born_s: float
    proved_s: float
    retires_s: float

    def fitness(self, now_s: float, check_after_idle_s: float, trusted_since_s: float) -> Fitness:
        """Judge it. Nothing is believed that was last heard of before `trusted_since_s`."""
        if now_s >= self.retires_s and self.proved_s > self.born_s:  # a new one is lent at least once
            return Fitness.AGED
        if self.proved_s < trusted_since_s:
            return Fitness.SUSPECT
        if now_s - self.proved_s > check_after_idle_s:
            return Fitness.UNPROVEN
        return Fitness.GOOD


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """One statement over the limit. The parameters are not here: they may be secrets."""

    duration_s: float
    statement: str
    caller: str


class ResetWhen(Enum):
    """When the server is asked to forget what a session left behind."""

    ALWAYS = auto()
    NEEDED = auto()
    NEVER = auto()  # a proxy would give the question to another server connection

    @classmethod
    def of(cls, *, always: bool, transaction_pooling: bool) -> ResetWhen:
        if transaction_pooling:
            return cls.NEVER
        return cls.ALWAYS if always else cls.NEEDED


_LEAVES_STATE = re.compile(
    r"(?:^|[;\n]|\*/)\s*(?:set|reset|discard|listen|unlisten|declare|load|do|call)\b"
    r"|set_config|setseed|advisory_|dblink",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=4096)
def leaves_state(statement: str) -> bool:
    """Return whether a statement's text shows that the session may differ after it.

    Wrong at most in one direction for the text itself (an UPDATE with SET on a
    line of its own costs a needless reset); what a function of the database does
    inside is not seen.
    """
    return _LEAVES_STATE.search(statement) is not None


Tell = Callable[[SlowStatement], None]


def _timed(plain: Callable[..., Awaitable[Any]], prefix: str = "") -> Any:
    @functools.wraps(plain)
    async def timed(self: WatchedConnection, *arguments: Any, **named: Any) -> Any:
        subject = arguments[0] if arguments else _first_named(named)
        if not self.stateful and leaves_state(subject):
            self.stateful = True
        began_s = time.monotonic()
        try:
            return await plain(self, *arguments, **named)
        except BaseException:
            self.disturbed = True
            raise
        finally:
            duration_s = time.monotonic() - began_s
            if duration_s >= self.slow_s:
                # while this frame runs, the frames that await it are on the stack: the caller among them
                self.tell_slow(duration_s, f"{prefix}{subject}", sys._getframe(1))

    return timed


def _first_named(named: Mapping[str, Any]) -> str:
    """Return what asyncpg's methods call their first argument, given by name."""
    return next((str(named[name]) for name in ("query", "command", "table_name") if name in named), "")


async def _execute(self: WatchedConnection, query: str, *arguments: Any, timeout: float | None = None) -> str:
    self.answered = await asyncpg.Connection.execute(self, query, *arguments, timeout=timeout)
    return self.answered


class WatchedConnection(asyncpg.Connection):
    """asyncpg's connection with a track, and with a clock around each statement.

    asyncpg's own statement logger runs later, without the caller's stack, and
    builds a record for every statement. This costs a frame and two looks at the
    clock. Not seen are prepared statements and cursors, whose time asyncpg
    spends inside other objects.
    """

    __slots__ = ("answered", "disturbed", "reset_when", "slow_s", "stateful", "tell", "track")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        now_s = time.monotonic()
        self.track = Track(now_s, now_s, float("inf"))
        self.slow_s = float("inf")
        self.tell: Tell | None = None
        self.reset_when = ResetWhen.ALWAYS
        self.stateful = self.disturbed = False
        self.answered = ""  # to the last `execute`

    execute = _timed(_execute)
    executemany = _timed(asyncpg.Connection.executemany)
    fetch = _timed(asyncpg.Connection.fetch)
    fetchrow = _timed(asyncpg.Connection.fetchrow)
    fetchval = _timed(asyncpg.Connection.fetchval)
    fetchmany = _timed(asyncpg.Connection.fetchmany)
    copy_from_query = _timed(asyncpg.Connection.copy_from_query, "COPY ")
    copy_from_table = _timed(asyncpg.Connection.copy_from_table, "COPY from ")
    copy_to_table = _timed(asyncpg.Connection.copy_to_table, "COPY to ")
    copy_records_to_table = _timed(asyncpg.Connection.copy_records_to_table, "COPY to ")

    async def prepare(self, query: str, **named: Any) -> Any:
        self.stateful = self.stateful or leaves_state(query)
        try:
            return await super().prepare(query, **named)
        except BaseException:
            self.disturbed = True
            raise

    def cursor(self, query: str, *arguments: Any, **named: Any) -> Any:
        self.stateful = self.stateful or leaves_state(query)
        return super().cursor(query, *arguments, **named)

    def get_reset_query(self) -> str:
        """Return what asyncpg sends when this comes back: nothing where nothing was left behind.

        A call that was cancelled between preparing a statement and executing it leaves
        the server waiting for the rest, in a transaction of that statement's own: then
        something is sent in any case.
        """
        if self.reset_when is ResetWhen.NEVER:
            return "SELECT 1" if self.disturbed else ""
        if self.reset_when is ResetWhen.ALWAYS or self.stateful or self.disturbed:
            return super().get_reset_query()
        return ""

    async def reset(self, *, timeout: float | None = None) -> None:
        await super().reset(timeout=timeout)
        self.stateful = self.disturbed = False

    def tell_slow(self, duration_s: float, statement: str, frame: FrameType | None) -> None:
        if self.tell is not None:
            shown = " ".join(statement.split())[:STATEMENT_SHOWN]
            self.tell(SlowStatement(duration_s, shown, caller_of(frame)))


def caller_of(frame: FrameType | None) -> str:
    """Return "file:line" of the innermost frame that is neither the driver's, ours nor the loop's.

    "" where the statement was a task of its own, as in `gather(connection.fetch(…))`:
    nobody awaits it in the stack.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_LOOP):
            if not file.endswith(("tasks.py", "timeouts.py")):
                return ""
        elif not file.startswith(_OURS):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
