"""What the middleware adds to a request, beside its peers on one application: `python -m benchmarks.asgi`.

In this process, call by call in turns: microseconds added at the median. Then behind
uvicorn on a core of its own, asked by wrk (a system package) from another, in turns:
requests a second, and the server's CPU for each, which a busy machine disturbs less.
The peers: `pip install -r requirements/bench.txt`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from operator import truediv
from typing import Any

import psutil
from fastapi import FastAPI

import atalaia
from benchmarks.figures import Figure, show
from tests.system.platform import free_ports
from tests.unit.asgi.measured import scope

CALLS = 6000
ROUNDS = 20
APP_CORE, CLIENT_CORE = 0, 1
PATH = "/items/7"
_COUNT = re.compile(r"(\d+) requests in")
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
ASGI = Callable[[Any, Any, Any], Awaitable[None]]


def plain() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    return app


def ours() -> FastAPI:
    return atalaia.instrument(plain(), service="bench", nats_url=os.environ.get("NATS_URL"))


def prometheus() -> FastAPI:
    from prometheus_fastapi_instrumentator import Instrumentator

    app = plain()
    Instrumentator().instrument(app)
    return app


def opentelemetry() -> ASGI:
    """Metrics alone: no tracer provider is set, so that its spans cost next to nothing."""
    from opentelemetry import metrics
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    app: ASGI = OpenTelemetryMiddleware(plain())
    return app


def _installed(package: str) -> bool:
    return any(found.metadata["Name"] == package for found in distributions(name=package))


PEERS: dict[str, Callable[[], ASGI]] = {
    "prometheus-fastapi-instrumentator": prometheus,
    "opentelemetry-instrumentation-asgi": opentelemetry,
}
VARIANTS: dict[str, Callable[[], ASGI]] = {
    "plain": plain,
    "atalaia": ours,
    **{name: make for name, make in PEERS.items() if _installed(name)},
}


async def added_us() -> dict[str, float]:
    """Return the median of one call by variant, in microseconds; calls take turns."""
    apps = {name: make() for name, make in VARIANTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in apps}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        return

    for turn in range(CALLS):
        for name, app in apps.items():
            one = scope(PATH)
            began_s = time.perf_counter()
            await app(one, receive, send)
            if turn > CALLS // 10:
                taken[name].append(time.perf_counter() - began_s)
    return {name: statistics.median(some) * 1e6 for name, some in taken.items()}


@contextmanager
def served(name: str) -> Iterator[Server]:
    """Serve one variant on the applications' core."""
    (port,) = free_ports(1)
    environment = os.environ | {"BENCH_VARIANT": name, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.asgi:chosen", f"--port={port}"]
    process = subprocess.Popen([*command, "--no-access-log", "--log-level=critical"], env=environment)
    try:
        os.sched_setaffinity(process.pid, {APP_CORE})
        _await_answer(port)
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(10)


def chosen() -> ASGI:
    """Return the variant that this process is to serve."""
    return VARIANTS[os.environ["BENCH_VARIANT"]]()


@dataclass(frozen=True)
class Server:
    port: int
    process: psutil.Process

    def asked(self) -> tuple[float, float]:
        """Return (requests a second seen by wrk from the other core, CPU microseconds for each)."""
        before_s = self._cpu_s()
        command = ["taskset", "-c", str(CLIENT_CORE), "wrk", "-t1", "-c16", "-d1s"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}{PATH}"], capture_output=True, text=True, check=True
        )
        rate, count = _RATE.search(done.stdout), _COUNT.search(done.stdout)
        assert rate and count, done.stdout
        return float(rate[1]), (self._cpu_s() - before_s) / int(count[1]) * 1e6

    def _cpu_s(self) -> float:
        return sum(self.process.cpu_times()[:2])


def behind_uvicorn() -> list[Figure]:
    """Return the figures of a server each; variants take turns, and ratios are taken within a turn."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(name)) for name in VARIANTS}
        for server in servers.values():
            server.asked()  # warm
        for _ in range(ROUNDS):
            for name, server in servers.items():
                seen[name].append(server.asked())
    figures = []
    for column, (what, unit) in enumerate((("requests a second", "1/s"), ("CPU of a request", "us"))):
        plainly = [one[column] for one in seen["plain"]]
        for name, some in seen.items():
            values = [one[column] for one in some]
            ratio = statistics.median(map(truediv, values, plainly))
            figures.append(Figure(f"{what}, {name}", statistics.median(values), unit, ratio, "plain"))
    return figures


def _await_answer(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{PATH}", timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> int:
    medians = asyncio.run(added_us())
    figures = [
        Figure(f"added to a call, {name}", medians[name] - medians["plain"], "us")
        for name in VARIANTS
        if name != "plain"
    ]
    if shutil.which("wrk") and len(os.sched_getaffinity(0)) > 1:
        figures += behind_uvicorn()
    show("middleware", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
