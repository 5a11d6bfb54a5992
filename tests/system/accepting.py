"""The end of a server that may be accepting at this very moment."""

from __future__ import annotations

import asyncio

TURNS = 5  # from an accepted socket to its handler


async def close(server: asyncio.Server) -> None:
    """Accept nothing more, and close; asyncio's own `close` loses, unclosed, what was just accepted."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()
