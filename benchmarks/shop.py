"""`examples/shop` with its cache and without, with its pool and without: `python -m benchmarks.shop`.

Sixteen customers; the shops take turns, a slice each, so that whatever else the machine does hits all
of them. First a shop's day, with and without the cache, and with a Redis that is dead: how many
requests it can take, and its response times at one rate that all of them can take. Then what no cache
keeps, all sixteen at once: with the pool, and with a connection for each request. Statements are what
Postgres counted; CPU is the application's and Postgres' together.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from atalaia.embedded import Child, Servers, free_port, local_servers
from benchmarks.customers import Choice, Customers, Line, Request, What, quantile_ms
from benchmarks.figures import Figure, show
from benchmarks.workload import ROOT, cpu_s

SLICE_S = 1.5
ROUNDS_OF_A_DAY, ROUNDS_UNKEPT = 5, 5
A_SECOND = 200.0
WARM_S = 2.0
# a cache that stands still for two thirds of the time expires meanwhile, which no shop's does
CACHED_SLICE_S, CACHED_WARM_S = 3.0, 8.0


@dataclass
class Shop:
    """One way to run it, on a database of its own."""

    name: str
    database: str
    customers: Customers
    processes: list[psutil.Process]
    slice_s: float = SLICE_S
    warm_s: float = WARM_S
    cpu_s: float = 0.0
    statements: float = 0.0

    async def slice(self, what: What, a_second: float | None) -> None:
        before_s = _cpu_s(self.processes)
        await self.customers.rush(self.slice_s, what)
        if a_second is not None:
            await self.customers.come(a_second, SLICE_S, what)
        self.cpu_s += _cpu_s(self.processes) - before_s

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.cpu_s / self.customers.requests


@asynccontextmanager
async def open_shop(servers: Servers, name: str, **settings: str) -> AsyncIterator[Shop]:
    database = name.replace(" ", "_")
    admin = await asyncpg.connect(servers.postgres.url)
    await admin.execute(f'CREATE DATABASE "{database}"')
    await admin.close()
    port = free_port()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("ATALAIA_", "SHOP_"))
    }
    environment |= {
        "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
        "NATS_URL": servers.nats.url,
        "REDIS_URL": servers.redis.url,
        "DATABASE_URL": f"{servers.postgres.url.rsplit('/', 1)[0]}/{database}",
        "ATALAIA_EXAMPLE_PORT": str(port),
        **settings,
    }
    child = await Child.spawn(
        [sys.executable, "-m", "examples.shop"],
        sink=lambda line: None,  # what it says of a Redis that is dead is known
        environment=environment,
        folder=ROOT,
    )
    try:
        await _answers(port)
        assert servers.postgres.pid is not None
        processes = [psutil.Process(child.pid), psutil.Process(servers.postgres.pid)]
        yield Shop(name, database, Customers(port), processes)
    finally:
        await child.stop(within_s=10)


async def measure(servers: Servers) -> list[Figure]:
    dead = f"redis://127.0.0.1:{free_port()}/0"
    async with AsyncExitStack() as stack:

        async def opened(name: str, **settings: str) -> Shop:
            return await stack.enter_async_context(open_shop(servers, name, **settings))

        plain = await opened("no cache", SHOP_CACHE="off")
        cached = await opened("cache")
        cached.slice_s, cached.warm_s = CACHED_SLICE_S, CACHED_WARM_S
        bereft = await opened("cache, Redis dead", REDIS_URL=dead)
        each = await opened("connection per request", SHOP_CACHE="off", SHOP_POOL="off")
        pooled = await opened("pool", SHOP_CACHE="off")

        day, unkept = [plain, cached, bereft], [each, pooled]
        await _take_turns(day, ROUNDS_OF_A_DAY, Choice.of_a_day, A_SECOND)
        await _take_turns(unkept, ROUNDS_UNKEPT, Choice.of_what_is_not_kept, None)
    for shop in (*day, *unkept):  # closed by now: their sessions have told all they did
        shop.statements = await _statements(servers, shop)
    return [
        *_figures(plain, None),
        *_figures(cached, plain),
        *_figures(bereft, plain),
        *_figures(each, None),
        *_figures(pooled, each),
    ]


async def _take_turns(shops: list[Shop], rounds: int, what: What, a_second: float | None) -> None:
    for shop in shops:
        await shop.customers.rush(shop.warm_s, what)
        shop.customers.forget()
    for number in range(rounds):
        first = number % len(shops)
        for shop in shops[first:] + shops[:first]:
            await shop.slice(what, a_second)


def _figures(shop: Shop, peer: Shop | None) -> list[Figure]:
    paced = bool(shop.customers.paced_s)
    when = f"at {A_SECOND:.0f}/s" if paced else "all at once"

    def time_ms(one: Shop, q: float) -> float:
        return quantile_ms(one.customers.paced_s if paced else one.customers.rushed_s, q)

    values: list[tuple[str, str, Callable[[Shop], float]]] = [
        ("requests a second", "/s", lambda one: one.customers.rate),
        (f"response time {when}, median", "ms", lambda one: time_ms(one, 0.5)),
        (f"response time {when}, p95", "ms", lambda one: time_ms(one, 0.95)),
        ("statements per request", "", lambda one: one.statements),
        ("CPU of it and Postgres a request", "us", lambda one: one.cpu_us),
    ]
    return [
        Figure(
            f"{shop.name}: {what}",
            of(shop),
            unit,
            of(shop) / of(peer) if peer else None,
            peer.name if peer else "",
        )
        for what, unit, of in values
    ]


async def _statements(servers: Servers, shop: Shop) -> float:
    """Return how many statements a request took, in the mean of all."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        counted = await connection.fetchval(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1", shop.database
        )
    finally:
        await connection.close()
    return float(counted + shop.customers.hidden) / shop.customers.asked


def _cpu_s(processes: list[psutil.Process]) -> float:
    while True:
        try:
            return cpu_s(processes)
        except psutil.NoSuchProcess:  # a session that ended while it was looked at
            continue


async def _answers(port: int, *, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while True:
            try:
                line = await Line.to(port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            await line.ask(Request("GET", "/products"))
            line.close()
            return


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with local_servers(Path(folder)) as servers:
            return await measure(servers)


def main() -> None:
    show("examples/shop: 16 customers, 2000 products, some bought far more often", asyncio.run(_run()))


if __name__ == "__main__":
    main()
