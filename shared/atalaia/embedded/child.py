"""A child process that does not outlive this one, and whose output is somebody's to read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
Sink = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class User:
    """Whom a child runs as."""

    uid: int
    gid: int


class Child:
    """One running process. Spawn it from the main thread: the kernel ties it to the thread that did."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.Task[None]) -> None:
        self._process = process
        self._reader = reader

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str],
        *,
        sink: Sink,
        environment: Mapping[str, str] | None = None,
        user: User | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        folder: Path | None = None,
    ) -> Child:
        """Start a program in a process group of its own; each line it prints goes to `sink`."""
        as_user = user or User(-1, -1)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(TETHER),
            *map(str, (os.getpid(), int(death_signal), as_user.uid, as_user.gid)),
            "--",
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
            limit=2**20,
        )
        assert process.stdout is not None
        return cls(process, asyncio.create_task(_read(process.stdout, sink)))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Return the exit code (negative: the signal) once the process ended."""
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):  # a grandchild may hold the pipe open
            async with asyncio.timeout(0.5):
                await asyncio.shield(self._reader)
        self._reader.cancel()
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 5.0) -> int:
        """Ask it to stop, and end its whole group when it has not after `within_s`."""
        self.send(number)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self.wait())
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            return await self.wait()


async def _read(stream: asyncio.StreamReader, sink: Sink) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line over the limit: its beginning is gone
            continue
        if not line:
            return
        sink(line.decode(errors="replace").rstrip("\n"))
