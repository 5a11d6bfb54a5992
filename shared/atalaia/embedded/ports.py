"""Ports that are free, or whose holder is told how to get out of the way."""

from __future__ import annotations

import asyncio
import socket

from atalaia.errors import Misconfigured

LEFTOVERS_DIE_WITHIN_S = 5.0


async def await_free(port: int, *, variable: str, within_s: float = LEFTOVERS_DIE_WITHIN_S) -> None:
    """Return once `port` of the loopback is free; what a killed platform left behind needs a moment to die.

    Raises:
        Misconfigured: somebody keeps it; names the variable that chooses another.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not _free(port):
        if loop.time() > deadline:
            raise Misconfigured(f"port {port} is taken; free it, or set {variable} to another port")
        await asyncio.sleep(0.1)


def free_port() -> int:
    """Return a port that nobody holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
