"""What the three local servers have in common."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from pathlib import Path

from atalaia.embedded.child import Child, Sink
from atalaia.embedded.ports import await_free
from atalaia.errors import Transient

READY_WITHIN_S = 30.0


class LocalServer(ABC):
    """One server on loopback, a child of this process. `variable` chooses its port."""

    name: str
    variable: str
    stop_signal = signal.SIGTERM

    def __init__(self, data: Path, *, port: int, password: str, sink: Sink) -> None:
        self.data = data
        self.port = port
        self.password = password
        self.sink = sink
        self._child: Child | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Return where clients connect, with the password."""

    @abstractmethod
    async def spawn(self) -> Child:
        """Prepare the data and start the process."""

    @abstractmethod
    async def answers(self) -> bool:
        """Return whether the server serves now."""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Start and await readiness.

        Raises:
            Misconfigured: the port is taken.
            Transient: the server ended, or is not ready in time.
        """
        await await_free(self.port, variable=self.variable)
        self._child = child = await self.spawn()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_WITHIN_S
        while not await self.answers():
            if not child.running:
                raise Transient(f"{self.name} ended with exit code {await child.wait()}")
            if loop.time() > deadline:
                await child.stop(self.stop_signal)
                raise Transient(f"{self.name} is not ready after {READY_WITHIN_S:.0f} s")
            await asyncio.sleep(0.03)

    async def wait(self) -> int:
        """Return the exit code once the server ended."""
        assert self._child is not None
        return await self._child.wait()

    async def stop(self, *, within_s: float = 4.0) -> None:
        if self._child is not None:
            await self._child.stop(self.stop_signal, within_s=within_s)


async def port_open(port: int) -> bool:
    """Return whether somebody accepts connections on this port of the loopback."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
