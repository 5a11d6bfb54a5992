"""A worker's two pipes to the process that started it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

LINE_BYTES = 2**26
LAST_WORDS_S = 2.0


class Parent:
    """The pipes to whoever started us."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.WriteTransport) -> None:
        self._reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, out: int) -> Parent:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(out, "wb"))
        return cls(reader, transport)

    async def hear(self) -> tuple[str, Any]:
        """Return the next word and what goes with it; `stop` when the parent is gone."""
        line = await self._reader.readline()
        if not line:
            return "stop", None
        (word, said), *_ = json.loads(line).items()
        return str(word), said

    def say(self, word: str, what: Any = None) -> None:
        """Tell the parent; nobody, where it is gone."""
        if not self._transport.is_closing():
            self._transport.write(json.dumps({word: what}).encode() + b"\n")

    async def close(self) -> None:
        """Let what was said be read, by a parent that is there and reads."""
        deadline_s = time.monotonic() + LAST_WORDS_S
        while self._transport.get_write_buffer_size() and time.monotonic() < deadline_s:
            if self._transport.is_closing():
                break
            await asyncio.sleep(0.005)
        self._transport.abort()
