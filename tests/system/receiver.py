"""Receivers of our own: webhooks that fail on purpose, and a mailbox; each in a thread, beside all loops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.system import accepting

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One POST that was read whole. `answered`: the status, or why there was none."""

    key: str
    answered: str
    at: datetime
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def taken(self) -> bool:
        """Return whether this receiver acted on it."""
        return self.answered in ("200", "timeout", "half-open", "reset")


@dataclass
class Behaviour:
    """How a receiver answers. `fails`: the share of calls; they fail in one of `ways`, in turn at random."""

    fails: float = 0.0
    ways: tuple[str, ...] = ("500", "429", "timeout", "half-open", "reset")
    status: int = 200
    delay_s: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def next(self) -> str:
        if self.dice.random() < self.fails:
            return self.dice.choice(self.ways)
        return str(self.status)


class Server:
    """A TCP server on a port of its own, in a thread; it can be taken away and brought back."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    def start(self) -> None:
        async def listen() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(5)

    def away(self) -> None:
        """Refuse connections, and cut those there are."""

        async def close() -> None:
            if self._server is not None:
                await accepting.close(self._server)
            for writer in self._open:
                writer.transport.abort()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(5)

    def stop(self) -> None:
        self.away()

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._handler(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()


class Receiver:
    """A webhook's other end."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.calls: list[Call] = []
        self.server = Server(self._handle)
        self.server.start()

    @property
    def url(self) -> str:
        return f"webhook+http://127.0.0.1:{self.server.port}/hook"

    @property
    def taken(self) -> list[Call]:
        """Return what was acted on, repeats of a key removed."""
        return list({call.key: call for call in reversed(self.calls) if call.taken}.values())[::-1]

    def alerts(self, source: str = "") -> list[dict[str, Any]]:
        """Return every alert that was said to have changed, in order, repeats of a key removed."""
        return [
            alert
            for call in self.taken
            for alert in call.body["alerts"]
            if alert["transitions"] and source in ("", alert["labels"]["source"])
        ]

    def said(self, source: str = "") -> list[str]:
        return [f"{alert['labels']['source']} {alert['status']}" for alert in self.alerts(source)]

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")[1:]
            pairs = (line.split(":", 1) for line in lines if ":" in line)
            headers = {name.strip().lower(): value.strip() for name, value in pairs}
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            answer = self.behaviour.next()
            key = headers.get("idempotency-key", "")
            self.calls.append(Call(key, answer, datetime.now(UTC), headers, raw))
            await asyncio.sleep(self.behaviour.delay_s)
            if answer in ("timeout", "half-open"):
                if answer == "half-open":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")  # and never more
                await asyncio.sleep(3600)
            if answer == "reset":
                return
            extra = "Retry-After: 1\r\n" if answer == "429" else ""
            writer.write(f"HTTP/1.1 {answer} x\r\n{extra}Content-Length: 2\r\n\r\nok".encode())
            await writer.drain()


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.server = Server(self._handle)
        self.server.start()

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.server.port}/?from=atalaia@example.org&to=ops@example.org"

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mailbox ESMTP\r\n")
        while line := (await reader.readline()).decode().strip().upper():
            if line.startswith("EHLO"):
                writer.write(b"250-mailbox\r\n250 8BITMIME\r\n")
            elif line.startswith("DATA"):
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 kept\r\n")
            elif line.startswith("QUIT"):
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 ok\r\n")


@contextmanager
def receiving(behaviour: Behaviour | None = None) -> Iterator[Receiver]:
    receiver = Receiver(behaviour)
    try:
        yield receiver
    finally:
        receiver.server.stop()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    try:
        yield box
    finally:
        box.server.stop()


def await_call(receiver: Receiver, wanted: Callable[[Receiver], bool], *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not wanted(receiver):
        assert time.monotonic() < deadline, f"waited {within_s} s; heard {receiver.said()}"
        time.sleep(0.01)
