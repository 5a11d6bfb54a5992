"""What orchestrators ask of a service that has no HTTP of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atalaia.errors import Misconfigured
from atalaia.service.lifecycle import Lifecycle

ASKED_WITHIN_S = 2.0
MOST_HEAD_BYTES = 4096


@asynccontextmanager
async def answering(lifecycle: Lifecycle, listen: str) -> AsyncIterator[None]:
    """Answer `/livez` and `/readyz` on `listen`, an `address:port`, for as long as the context lasts.

    Neither asks a server: what blinks must not take a process down with it. Empty: nobody asks.

    Raises:
        Misconfigured: that address cannot be listened on.
    """
    if not listen:
        yield
        return
    address, _, port = listen.rpartition(":")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASKED_WITHIN_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, lifecycle))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever asked is gone, or asks for something else
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, address.strip("[]"), int(port), limit=MOST_HEAD_BYTES)
    except OSError as error:
        raise Misconfigured(
            f"ATALAIA_HEALTH_LISTEN is {listen!r}: cannot be listened on ({error.strerror}); choose another"
        ) from error
    try:
        yield
    finally:
        server.close()


def _answer(head: bytes, lifecycle: Lifecycle) -> bytes:
    """Return the whole response to a request's head."""
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _response(405, "only GET", b"")
    if path == b"/livez":
        return _response(200, "alive", method)
    if path != b"/readyz":
        return _response(404, "here are /livez and /readyz", method)
    if lifecycle.stopping.is_set():
        return _response(503, "stopping", method)
    if not lifecycle.ready.is_set():
        return _response(503, "starting", method)
    return _response(200, "ready", method)


_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def _response(status: int, said: str, method: bytes) -> bytes:
    body = json.dumps({"status": said}).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)
