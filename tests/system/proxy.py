"""A TCP proxy that can fall silent, or lose its connections without telling either side."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from tests.system import accepting


class Proxy:
    """Stands between a client and `port` on loopback."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._generation = 0
        self._frozen = -1  # the last generation that is
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.said = bytearray()  # by the clients, all of it
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        await accepting.close(self._server)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang(self) -> None:
        """Accept, and pass nothing on."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def forget(self) -> None:
        """Swallow whatever the present connections say from now on; new ones work."""
        self._generation += 1

    def freeze(self) -> None:
        """Read nothing more from the present connections, whatever they say; new ones work."""
        self._frozen = self._generation
        self._generation += 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        generation = self._generation
        try:
            await self._flowing.wait()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(
                    self._pump(reader, there_writer, generation, self.said),
                    self._pump(there_reader, writer, generation, bytearray()),
                )
            finally:
                there_writer.close()
        except (OSError, asyncio.CancelledError):
            return
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, generation: int, passed: bytearray
    ) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            if generation <= self._frozen:
                await asyncio.Future()
            if generation == self._generation:
                passed += data
                writer.write(data)
                await writer.drain()
        writer.close()
