"""One question to a gateway, by hand: it is asked forty times a second beside what is measured."""

from __future__ import annotations

import asyncio
import json
from typing import Any

PREFIX = "/api/v1/monitoring"
Answer = tuple[int, dict[str, str], Any]


async def ask(port: int, path: str, *, within_s: float) -> Answer:
    """Return (status, headers by small letters, JSON); status 0 when there was no whole answer in time.

    Over a connection of its own: one that is left over from before a gateway died says nothing of this one.
    """
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await _answer(reader, writer, f"127.0.0.1:{port}", path)
            finally:
                writer.transport.abort()
    except (OSError, EOFError):  # a timeout is the former, half an answer the latter
        return 0, {}, None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str) -> Answer:
    writer.write(f"GET {PREFIX}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers, json.loads(body)
