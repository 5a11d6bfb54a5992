"""Sources that publish once a second, whatever the broker does, and a reader that hammers the gateway."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter, deque
from datetime import UTC, datetime

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from tests.system.storm.books import SourceBook

SERIES = 20
DISTURBED = 0.05
AWAY = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)


class Traffic:
    """`sources` × 20 series a second; each value is sent until it is acknowledged, in order, under one id.

    Now and then the last three are sent again, backwards: late, doubled, shuffled.
    """

    def __init__(self, jetstream: JetStreamContext, *, sources: int, seed: int) -> None:
        self._jetstream = jetstream
        self._dice = random.Random(seed)
        self.books = [SourceBook(f"storm-{n}", random.Random(self._dice.random())) for n in range(sources)]
        self.sent = 0
        self._taken: dict[str, deque[bytes]] = {}
        self._settling = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for book in self.books:
                group.create_task(self._one(book))

    def settle(self) -> None:
        """Let every source send one good value more, and end."""
        self._settling.set()

    async def _one(self, book: SourceBook) -> None:
        await asyncio.sleep(self._dice.random())
        waiting: deque[tuple[str, bytes]] = deque()
        sending: asyncio.Task[None] | None = None
        last = False
        while True:
            if not last:
                last = self._settling.is_set()
                if last:
                    book.settle()
                waiting.append(self._message(book))
            if sending is None or sending.done():
                if sending is not None:
                    sending.result()
                sending = asyncio.create_task(self._send(book, waiting))
            if last and not waiting:
                return
            if self._dice.random() < DISTURBED:
                await self._disturb(book)
            await asyncio.sleep(0.2 if last else 1.0)

    def _message(self, book: SourceBook) -> tuple[str, bytes]:
        at = datetime.now(UTC)
        value = book.value(at)
        gauges = {"storm.value": value} | {f"storm.filler_{n}": value * n for n in range(1, SERIES)}
        body = {"source": book.source, "kind": "storm", "at": at.isoformat(), "interval_s": 1.0}
        return f"{book.source}:{at.isoformat()}", json.dumps(body | {"gauges": gauges}).encode()

    async def _send(self, book: SourceBook, waiting: deque[tuple[str, bytes]]) -> None:
        subject = f"atalaia.metrics.storm.{book.source}.{book.source}"
        while waiting:
            message_id, body = waiting[0]
            try:
                await self._jetstream.publish(subject, body, timeout=2, headers={"Nats-Msg-Id": message_id})
            except AWAY:
                await asyncio.sleep(0.2)
                continue
            waiting.popleft()
            self._taken.setdefault(book.source, deque(maxlen=3)).append(body)
            self.sent += SERIES

    async def _disturb(self, book: SourceBook) -> None:
        """Send what was taken already once more, the newest first."""
        subject = f"atalaia.metrics.storm.{book.source}.{book.source}"
        for body in reversed(list(self._taken.get(book.source, ()))):
            try:
                await self._jetstream.publish(subject, body, timeout=1)
            except AWAY:
                return


class Reads:
    """GETs of what needs no database, ten a second, counted by outcome; and how it is."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.outcomes: Counter[str] = Counter()
        self.states: list[tuple[float, str]] = []
        self.excused = False

    async def run(self) -> None:
        while True:
            for path in ("/metrics?kind=storm&name=storm.value", "/health/detailed", "/health"):
                status, body = await asyncio.to_thread(self._get, path)
                if path == "/health/detailed" and status == 200:
                    self.states.append((time.monotonic(), json.loads(body)["status"]))
                elif path == "/health":
                    self.outcomes["ok" if status in (200, 503) else self._failure()] += 1
                else:
                    self.outcomes["ok" if status == 200 else self._failure()] += 1
            await asyncio.sleep(0.1)

    def _failure(self) -> str:
        return "excused" if self.excused else "failed"

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self._base}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""
