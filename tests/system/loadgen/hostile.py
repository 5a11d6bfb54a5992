"""A server that does to a client whatever a server can, by path. It counts what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.system import accepting

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; True where the connection goes on."""


def plain(body: bytes, *, status: str = "200 OK", version: str = "1.1", head: str = "") -> bytes:
    return f"HTTP/{version} {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def says(*parts: bytes, goes_on: bool = True, pause_s: float = 0.0) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for number, part in enumerate(parts):
            if number and pause_s:
                await asyncio.sleep(pause_s)
            writer.write(part)
            await writer.drain()
        return goes_on

    return answer


async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    await reader.read(1)  # until the client gives up
    return False


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: a reset
    writer.transport.abort()
    return False


PACKED = gzip.compress(b"a body" * 1000)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# path: what it does, and how such a request ends
PATHS: dict[str, tuple[Answer, str]] = {
    "/ok": (says(plain(b"ok")), "ok"),
    "/empty": (says(b"HTTP/1.1 204 No Content\r\n\r\n"), "ok"),
    "/missing": (says(plain(b"no", status="404 Not Found")), "http_errors"),
    "/busy": (says(plain(b"", status="503 Service Unavailable")), "http_errors"),
    "/chunked": (
        says(CHUNKED, b"5\r\nhello\r\n", b"1;a=b\r\n!\r\n0\r\nTrailer: x\r\n\r\n", pause_s=0.005),
        "ok",
    ),
    "/gzip": (says(plain(PACKED, head="Content-Encoding: gzip\r\n")), "ok"),
    "/bytewise": (says(*(bytes([byte]) for byte in plain(b"slowly"))), "ok"),
    "/early-hints": (says(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + plain(b"ok")), "ok"),
    "/http10": (says(plain(b"ok", version="1.0"), goes_on=False), "ok"),
    "/http10-endless": (says(b"HTTP/1.0 200 OK\r\n\r\nuntil", b" the end", goes_on=False), "ok"),
    "/http10-kept": (says(plain(b"ok", version="1.0", head="Connection: keep-alive\r\n")), "ok"),
    "/close": (says(plain(b"ok", head="Connection: close\r\n"), goes_on=False), "ok"),
    # the next request may be on its way already: then it is lost, and counted as that
    "/closes-unannounced": (says(plain(b"ok"), goes_on=False), "either"),
    "/twice": (says(plain(b"ok") * 2), "ok"),
    "/ok-and-garbage": (says(plain(b"ok") + b"\x00garbage", goes_on=False), "ok"),
    "/nothing": (says(goes_on=False), "connection_errors"),
    "/half-head": (says(b"HTTP/1.1 200 OK\r\nContent-", goes_on=False), "connection_errors"),
    "/half-body": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", goes_on=False),
        "connection_errors",
    ),
    "/half-chunks": (says(CHUNKED + b"5\r\nhel", goes_on=False), "connection_errors"),
    "/garbage": (says(b"\x16\x03\x01 this is not HTTP\r\n\r\n"), "connection_errors"),
    "/bad-chunks": (says(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), "connection_errors"),
    "/bad-length": (says(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"), "connection_errors"),
    "/huge-header": (
        says(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 1_000_000, b"\r\n\r\n"),
        "connection_errors",
    ),
    "/reset": (resets, "connection_errors"),
    "/stalls": (stalls, "timeouts"),
    "/stalls-in-body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "timeouts"),
    "/redirects": (says(plain(b"", status="302 Found", head="Location: /ok\r\n")), "ok"),
    "/redirects-for-ever": (
        says(plain(b"", status="302 Found", head="Location: /redirects-for-ever\r\n")),
        "ok",
    ),
    "/redirects-abroad": (says(plain(b"", status="302 Found", head="Location: http://192.0.2.1/\r\n")), "ok"),
}


class Hostile:
    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.heads: list[str] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            goes_on = True
            while goes_on:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0
                )
                await reader.readexactly(length)
                path = head.split(" ")[1].partition("?")[0]
                self.asked[path] += 1
                if len(self.heads) < 100:
                    self.heads.append(head)
                if head.startswith("HEAD"):
                    writer.write(plain(b"unsent").removesuffix(b"unsent"))
                    continue
                goes_on = await PATHS[path][0](reader, writer)
        writer.close()


@contextlib.asynccontextmanager
async def hostile_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hostile]:
    hostile = Hostile()
    server = await asyncio.start_server(hostile.on_connection, "127.0.0.1", 0, ssl=tls)
    hostile.port = server.sockets[0].getsockname()[1]
    try:
        yield hostile
    finally:
        await accepting.close(server)
