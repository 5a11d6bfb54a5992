"""A door before a server: a TCP proxy that can refuse, delay, cut, or go silent without closing.

It takes its time from what a storm measures, so that it hands chunks on where they arrive,
without a task, a queue or a copy for each.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import cast

from tests.system.platform import free_ports


class Trap(Enum):
    """What happens to a connection at the moment the client says the word that is watched for."""

    CUT_BEFORE = auto()
    """cut, and the server never hears the word"""
    CUT_AFTER = auto()
    """the server hears it, the client never hears the answer"""
    SILENT = auto()
    """nothing passes any more, in neither direction, and nobody is told"""


class _End(asyncio.Protocol):
    """One end of a passage: what it hears the other says, and it listens no faster than that one can."""

    transport: asyncio.Transport
    other: _End

    def __init__(self, passage: _Passage) -> None:
        self.passage = passage
        self.waits = False
        self.full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.passage.open_ends.append(self.transport)

    def data_received(self, data: bytes) -> None:
        if not self.passage.silent and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.full = True
        self.other.listen()

    def resume_writing(self) -> None:
        self.full = False
        self.other.listen()

    def listen(self) -> None:
        """Listen, unless what was heard could not be said yet."""
        if self.waits or self.other.full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.passage.leave(self.transport)


class _ClientEnd(_End):
    """The end that is watched. It waits for the server's, and for what is late."""

    def __init__(self, passage: _Passage, door: Door) -> None:
        super().__init__(passage)
        self.waits = True
        self._door = door
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.listen()
        self._door.enter(self.passage)

    def data_received(self, data: bytes) -> None:
        if self.waits:  # a loop may begin to read although it was told not to
            self._early += data
        elif self._door.delay_s:
            self.waits = True
            asyncio.get_running_loop().call_later(self._door.delay_s, self._pass_late, data)
        else:
            self._pass(data)
            return
        self.listen()

    def go_on(self) -> None:
        """Begin, now that the server is there."""
        self.waits = False
        if self._early:
            self.data_received(self._early)
        self.listen()

    def _pass_late(self, chunk: bytes) -> None:
        self.waits = False
        self._pass(chunk)
        self.listen()

    def _pass(self, chunk: bytes) -> None:
        match self._door.trap_for(chunk):
            case None:
                super().data_received(chunk)
            case Trap.CUT_BEFORE:
                self.passage.cut()
            case Trap.CUT_AFTER:
                super().data_received(chunk)
                self.transport.abort()  # the other end closes once the server was told
            case Trap.SILENT:
                self.passage.silent = True


class _Passage:
    """One connection through the door."""

    def __init__(self, door: Door) -> None:
        self.silent = door.deaf
        self.open_ends: list[asyncio.Transport] = []
        self.over = asyncio.Event()
        self.client, self.server = _ClientEnd(self, door), _End(self)
        self.client.other, self.server.other = self.server, self.client

    def leave(self, end: asyncio.Transport) -> None:
        """Tell the other end, unless nobody is told anything."""
        self.open_ends.remove(end)
        if not self.open_ends:
            self.over.set()
        elif not self.silent:
            self.open_ends[0].close()

    def cut(self) -> None:
        for end in self.open_ends:
            end.abort()


class Door:
    """Listens on `port` for a server on another. Mutable; all of it on one loop."""

    def __init__(self, server_port: int) -> None:
        self.port = free_ports(1)[0]
        self.delay_s = 0.0
        self.deaf = False
        self._is_open = False
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._passages: dict[_Passage, asyncio.Task[None]] = {}
        self._trap: tuple[bytes, Trap] | None = None
        self.trapped = 0

    async def open(self) -> None:
        self._is_open = True
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: _Passage(self).client, "127.0.0.1", self.port
        )

    async def shut(self) -> None:
        """Refuse whoever comes, and cut off whoever is inside."""
        self._is_open = False
        if self._listener is not None:
            self._listener.close()
        self.cut()
        inside = list(self._passages.values())
        for passing in inside:
            passing.cancel()  # those who wait for the server, too
        if inside:
            await asyncio.wait(inside)
        if self._listener is not None:
            await self._listener.wait_closed()
            self._listener = None

    def cut(self) -> None:
        for passage in self._passages:
            passage.cut()

    def go_silent(self) -> None:
        """Let nothing through, neither now nor for those who come; close nothing."""
        self.deaf = True
        for passage in self._passages:
            passage.silent = True

    def listen_again(self) -> None:
        """Let those who come through. What went silent stays so: nobody tells either end."""
        self.deaf = False

    def set_trap(self, word: bytes, trap: Trap) -> None:
        self._trap = (word, trap)

    def remove_trap(self) -> None:
        self._trap = None

    def trap_for(self, chunk: bytes) -> Trap | None:
        """Return what happens to the connection of a client that says this."""
        if self._trap is None or self._trap[0] not in chunk:
            return None
        self.trapped += 1
        return self._trap[1]

    def enter(self, passage: _Passage) -> None:
        if self._is_open:
            self._passages[passage] = asyncio.create_task(self._lead(passage))
        else:  # it came while the door was shut
            passage.cut()

    async def _lead(self, passage: _Passage) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: passage.server, "127.0.0.1", self._server_port
            )
            passage.client.go_on()
            await passage.over.wait()
        except OSError:
            return
        finally:
            del self._passages[passage]
            passage.cut()
