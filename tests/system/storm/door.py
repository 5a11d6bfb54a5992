"""A door before a server: a TCP proxy that can refuse, delay, cut, or go silent without closing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from tests.system.platform import free_ports

CHUNK = 2**16
Watch = Callable[[bytes], bool]


class Trap(Enum):
    """What happens to a connection at the moment the client says the word that is watched for."""

    CUT_BEFORE = auto()
    """cut, and the server never hears the word"""
    CUT_AFTER = auto()
    """the server hears it, the client never hears the answer"""
    SILENT = auto()
    """nothing passes any more, in neither direction, and nobody is told"""


class _Passage:
    """One connection through the door."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.silent = False

    def cut(self) -> None:
        for writer in (self.client, self.server):
            writer.transport.abort()


class Door:
    """Listens on `port` for a server on another. Mutable; all of it on one loop."""

    def __init__(self, server_port: int) -> None:
        self.port = free_ports(1)[0]
        self.delay_s = 0.0
        self.deaf = False
        self._is_open = False
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._passages: set[_Passage] = set()
        self._trap: tuple[bytes, Trap] | None = None
        self.trapped = 0

    async def open(self) -> None:
        self._is_open = True
        self._listener = await asyncio.start_server(self._enter, "127.0.0.1", self.port, limit=CHUNK)

    async def shut(self) -> None:
        """Refuse whoever comes, and cut off whoever is inside."""
        self._is_open = False
        if self._listener is not None:
            self._listener.close()
        self.cut()
        if self._listener is not None:
            await self._listener.wait_closed()
            self._listener = None

    def cut(self) -> None:
        for passage in list(self._passages):
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

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        except asyncio.CancelledError:  # whoever came is not left standing
            writer.transport.abort()
            raise
        passage = _Passage(writer, server_writer)
        if not self._is_open:  # shut while the server was asked
            passage.cut()
            return
        passage.silent = self.deaf
        self._passages.add(passage)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(passage, reader, server_writer, watched=True))
                group.create_task(self._pass(passage, server_reader, writer, watched=False))
        finally:
            self._passages.discard(passage)
            passage.cut()

    async def _pass(
        self,
        passage: _Passage,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        watched: bool,
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self.delay_s and watched:
                    await asyncio.sleep(self.delay_s)
                if watched and self._trap is not None and self._trap[0] in chunk:
                    await self._spring(passage, chunk)
                if passage.silent:
                    continue
                writer.write(chunk)
                await writer.drain()
        if not passage.silent:
            passage.cut()

    async def _spring(self, passage: _Passage, chunk: bytes) -> None:
        assert self._trap is not None
        self.trapped += 1
        match self._trap[1]:
            case Trap.CUT_BEFORE:
                passage.cut()
                passage.silent = True
            case Trap.CUT_AFTER:
                passage.client.transport.abort()
                passage.server.write(chunk)
                with suppress(OSError):
                    await passage.server.drain()
                await asyncio.sleep(0.2)  # long enough for the server to hear it
                passage.silent = True
            case Trap.SILENT:
                passage.silent = True
