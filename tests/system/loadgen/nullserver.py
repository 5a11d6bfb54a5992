"""The least that can be called a server, in a process of its own, so that it can be frozen."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100


class Null(asyncio.Protocol):
    """Answers at once, or after so many seconds."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        if self._after_s:
            asyncio.get_running_loop().call_later(self._after_s, self._write, ANSWER)
        else:
            self._write(ANSWER)


async def main(after_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Null(after_s), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
