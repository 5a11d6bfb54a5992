"""Customers of `examples/shop`: many products, a skewed choice of them, and some who write.

Each keeps a connection. In a rush he asks again as soon as he is answered, which shows what a shop can
take; otherwise they come at a given rate, whatever the shop makes of it, and a time counts from when
the request was due. The same seed is the same sequence of requests, whichever shop is asked.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

PRODUCTS = 2000
CATEGORIES = ("light", "seats", "tables", "kitchen", "time", "storage")
ROOM = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """`hidden`: statements that Postgres counts as one, because they are one transaction's."""

    method: str
    path: str
    body: bytes = b""
    hidden: int = 0

    def on_the_wire(self) -> bytes:
        head = f"{self.method} {self.path} HTTP/1.1\r\nhost: shop\r\n"
        if self.body:
            head += f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n"
        return f"{head}\r\n".encode() + self.body


class Choice:
    """What one customer asks for. The n-th most popular product is asked for 1/n as often as the first."""

    _shuffle = random.Random(7)
    BY_RANK = _shuffle.sample(range(1, PRODUCTS + 1), PRODUCTS)
    WEIGHTS = tuple(itertools.accumulate(1 / rank for rank in range(1, PRODUCTS + 1)))

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def of_a_day(self) -> Request:
        """Mostly pages of products; 2 in 100 write, somewhat more than TPC-W's shopping mix (1.3)."""
        chance = self._dice.random()
        if chance < 0.83:
            return Request("GET", f"/products/{self._product()}")
        if chance < 0.95:
            return self._list()
        if chance < 0.98:
            return Request("GET", f"/reports/categories?days={self._dice.choice((30, 90, 365))}")
        return self._write()

    def of_what_is_not_kept(self) -> Request:
        """Lists of products; one in ten writes."""
        return self._list() if self._dice.random() < 0.90 else self._write()

    def _product(self) -> int:
        return self._dice.choices(self.BY_RANK, cum_weights=self.WEIGHTS)[0]

    def _list(self) -> Request:
        after, category = self._dice.randrange(PRODUCTS), self._dice.choice(CATEGORIES)
        return Request("GET", f"/products?after={after}&category={category}")

    def _write(self) -> Request:
        if self._dice.random() < 1 / 3:
            price = {"price_cents": self._dice.randint(500, 20_000)}
            return Request("PUT", f"/products/{self._product()}/price", json.dumps(price).encode())
        products = {self._product() for _ in range(self._dice.randint(1, 3))}
        order = {"customer": "ana", "lines": [{"product_id": one, "quantity": 1} for one in products]}
        # BEGIN, the order, two for each line, COMMIT
        return Request("POST", "/orders", json.dumps(order).encode(), hidden=2 + 2 * len(products))


class Line:
    """One connection to a shop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=ROOM))

    async def ask(self, request: Request) -> None:
        """Return once the whole answer is here; one that is not good ends the benchmark."""
        self._writer.write(request.on_the_wire())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, found, length = head.partition(b"content-length:")
        body = await self._reader.readexactly(int(length.split(b"\r\n", 1)[0])) if found else b""
        if head[9:10] != b"2":
            sys.exit(f"{request.method} {request.path}: {head[:12].decode()} {body[:200].decode()}")

    def close(self) -> None:
        self._writer.close()


What = Callable[[Choice], Request]


@dataclass
class Customers:
    """`count` customers of one shop, and what they saw of it in all slices together.

    `asked` and `hidden` count from the start, the rest since `forget`.
    """

    port: int
    count: int = 16
    rushed_s: list[float] = field(default_factory=list)
    paced_s: list[float] = field(default_factory=list)
    rush_lasted_s: float = 0.0
    asked: int = 0
    hidden: int = 0

    def __post_init__(self) -> None:
        self._choices = [Choice(seed) for seed in range(self.count)]

    @property
    def requests(self) -> int:
        return len(self.rushed_s) + len(self.paced_s)

    @property
    def rate(self) -> float:
        """Return how many were answered a second in the rush."""
        return len(self.rushed_s) / self.rush_lasted_s

    def forget(self) -> None:
        self.rushed_s.clear()
        self.paced_s.clear()
        self.rush_lasted_s = 0.0

    async def rush(self, seconds: float, what: What) -> None:
        began_s = time.perf_counter()
        end_s = began_s + seconds

        async def one(choice: Choice, line: Line) -> None:
            while (due_s := time.perf_counter()) < end_s:
                self.rushed_s.append(await self._ask(line, what(choice), due_s))

        await self._each(one)
        self.rush_lasted_s += time.perf_counter() - began_s

    async def come(self, a_second: float, seconds: float, what: What) -> None:
        began_s = time.perf_counter()
        every_s = self.count / a_second
        places = {choice: place for place, choice in enumerate(self._choices)}

        async def one(choice: Choice, line: Line) -> None:
            due_s = began_s + every_s * places[choice] / self.count
            while due_s < began_s + seconds:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                self.paced_s.append(await self._ask(line, what(choice), due_s))
                due_s += every_s

        await self._each(one)

    async def _ask(self, line: Line, request: Request, due_s: float) -> float:
        await line.ask(request)
        self.asked += 1
        self.hidden += request.hidden
        return time.perf_counter() - due_s

    async def _each(self, one: Callable[[Choice, Line], Awaitable[None]]) -> None:
        lines = [await Line.to(self.port) for _ in self._choices]
        try:
            await asyncio.gather(*map(one, self._choices, lines))
        finally:
            for line in lines:
                line.close()


def quantile_ms(times_s: list[float], q: float) -> float:
    return 1000 * sorted(times_s)[int(q * len(times_s))]
