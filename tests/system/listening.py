"""Readers of the live stream, as many as a test wants, each on a plain connection of its own."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

LIMIT_S = 15.0
STREAM = "/api/v1/monitoring/stream"


class Event(NamedTuple):
    topic: str
    id: str
    data: dict[str, Any]


class Listener:
    """One reader. `last_id` is what an `EventSource` would send when it comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = b""
        self._events: list[Event] = []
        self.last_id = ""
        self.received_bytes = 0

    @classmethod
    async def open(
        cls,
        port: int,
        query: str = "",
        *,
        last_id: str = "",
        receive_bytes: int | None = None,
        **headers: str,
    ) -> Listener:
        """Ask for the stream; anything but events is an AssertionError with the whole answer."""
        plain = socket.socket()
        plain.setblocking(False)
        if receive_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=plain, limit=2**16)
        said = {"host": f"127.0.0.1:{port}", **({"last-event-id": last_id} if last_id else {}), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"GET {STREAM}?{query} HTTP/1.1\r\n{lines}\r\n".encode())
        async with asyncio.timeout(LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        if b"text/event-stream" not in head:
            writer.close()
            raise AssertionError(head.decode())
        return cls(reader, writer)

    async def next(self, *topics: str, within_s: float = LIMIT_S) -> Event:
        """Return the next event, of these topics if there are any."""
        async with asyncio.timeout(within_s):
            while True:
                while self._events:
                    event = self._events.pop(0)
                    self.last_id = event.id
                    if not topics or event.topic in topics:
                        return event
                await self._receive()

    async def until(self, holds: Callable[[Event], bool], *, within_s: float = LIMIT_S) -> list[Event]:
        """Return the events up to the first one of which it holds."""
        found: list[Event] = []
        async with asyncio.timeout(within_s):
            while not found or not holds(found[-1]):
                found.append(await self.next())
        return found

    async def ended(self, *, within_s: float = LIMIT_S) -> None:
        """Await the end of the stream."""
        async with asyncio.timeout(within_s):
            while await self._reader.read(2**16):
                pass

    async def close(self) -> None:
        self._writer.close()

    async def _receive(self) -> None:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        if not size:
            raise EOFError("the stream has ended")
        self._left += (await self._reader.readexactly(size + 2))[:-2]
        self.received_bytes += size
        *whole, self._left = self._left.split(b"\n\n")
        for one in whole:
            fields = dict(
                line.split(": ", 1) for line in one.decode().splitlines() if not line.startswith(":")
            )
            if "event" in fields:
                self._events.append(Event(fields["event"], fields["id"], json.loads(fields["data"])))
