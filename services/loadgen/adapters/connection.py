"""One HTTP/1.1 connection: bytes out, stamps and outcome back. The hot path of the load generator."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol, cast

import httptools

MOST_HEAD_BYTES = 128 * 1024
now_ns = time.monotonic_ns


class Owner(Protocol):
    """Told once about each request's end, and once about each connection's."""

    def made(self, connection: Connection) -> None:
        """It is connected: time to send."""

    def answered(self, connection: Connection, at_ns: int) -> None:
        """The answer is complete; the connection may be used again if it is `reusable`."""

    def broken(self, connection: Connection, why: str) -> None:
        """The request in flight got no answer, or no whole one."""

    def gone(self, connection: Connection) -> None:
        """An idle connection was closed by the other side."""


class Connection(asyncio.Protocol):
    """At most one request at a time. All stamps are CLOCK_MONOTONIC in nanoseconds; 0 is not yet.

    It learns an answer's end from its length, its chunks, or, where neither was
    announced, from the end of the connection.
    """

    __slots__ = (
        "_answers",
        "_headers_done",
        "_owner",
        "_parser",
        "_transport",
        "busy",
        "connected_ns",
        "first_ns",
        "head",
        "head_only",
        "intended_ns",
        "keep_alive",
        "received",
        "request",
        "reusable",
        "status",
        "tag",
        "written_ns",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answers = 0
        self._headers_done = False
        self.head = b""
        self.busy = False
        self.reusable = False
        self.keep_alive = True
        self.head_only = False
        self.status = 0
        self.received = 0
        self.intended_ns = self.written_ns = self.first_ns = self.connected_ns = 0
        self.request: Any = None  # the owner's
        self.tag: Any = None  # the owner's

    def send(self, data: bytes, intended_ns: int, *, head_only: bool = False) -> None:
        """Write a request; the owner hears of exactly one end."""
        self.busy = True
        self.head_only = head_only
        self.intended_ns = intended_ns
        self.first_ns = 0
        self.received = 0
        self._answers = 0
        self._headers_done = False
        transport = self._transport
        if transport is None or transport.is_closing():
            self.written_ns = now_ns()
            self._break("closed")
            return
        self.written_ns = now_ns()
        transport.write(data)

    def close(self) -> None:
        """Close without a word to the owner."""
        self.busy = self.reusable = False
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    @property
    def open(self) -> bool:
        return self._transport is not None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.reusable = True
        self.connected_ns = now_ns()
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        at_ns = now_ns()
        if not self.busy:
            self._lose()  # an answer to nothing
            return
        if not self.first_ns:
            self.first_ns = at_ns
            self.head = data
        elif not self._headers_done:
            self.head += data
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._answers:
                self._break("garbage")
                return
            self.reusable = False  # what follows a whole answer is no answer
        if self._answers:
            self._end(at_ns)
        elif not self._headers_done and self.received > MOST_HEAD_BYTES:
            self._break("header_too_large")
        elif self.head_only and self._headers_done:
            self.status = self._parser.get_status_code()
            self._parser = httptools.HttpResponseParser(self)
            self._answers = 1
            self._end(at_ns)

    def eof_received(self) -> None:
        return None  # the transport closes itself, and says so with connection_lost

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is None:
            return  # closed by us
        self._transport = None
        self.reusable = False
        if not self.busy:
            self._owner.gone(self)
        elif error is None and self._headers_done and self._ends_with_connection():
            self._answers = 1
            self.status = self._parser.get_status_code()
            self._end(now_ns())
        else:
            self._break("reset" if isinstance(error, ConnectionResetError) else "closed_early")

    # httptools

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._headers_done = True

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx announces the answer
            self._answers += 1
            self.status = status
            if not self._parser.should_keep_alive():
                self.reusable = False

    def _end(self, at_ns: int) -> None:
        if self._answers > 1:
            self.reusable = False  # more answers than requests
        self.busy = False
        if not (self.reusable and self.keep_alive):
            self._lose_transport()
        self._owner.answered(self, at_ns)

    def _break(self, why: str) -> None:
        self.busy = False
        self._lose_transport()
        self._owner.broken(self, why)

    def _lose(self) -> None:
        self._lose_transport()
        self._owner.gone(self)

    def _lose_transport(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _ends_with_connection(self) -> bool:
        head = self.head.partition(b"\r\n\r\n")[0].lower()
        return b"\ncontent-length:" not in head and b"\ntransfer-encoding:" not in head


class ReadingConnection(Connection):
    """One that keeps headers and body as well: for scenarios and redirects. It costs a third of the speed."""

    __slots__ = ("body", "first_written_ns", "headers", "hops")

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner)
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self.hops = self.first_written_ns = 0  # of redirects

    def send(self, data: bytes, intended_ns: int, *, head_only: bool = False) -> None:
        self.headers, self.body = [], []
        super().send(data, intended_ns, head_only=head_only)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def header(self, name: str) -> str | None:
        """Return the last header of that (lower case) name."""
        return next((value for found, value in reversed(self.headers) if found == name), None)
