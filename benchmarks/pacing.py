"""How evenly the load generator sends, and how soon. Part of `python -m benchmarks.loadgen`."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

from benchmarks.figures import Figure

ROOT = Path(__file__).parents[1]
PACING_S = 10
FIRST = ("chrt", "--rr", "1")


class Driven(Protocol):
    """Something that runs the load generator, behind a prefix, and keeps its last result."""

    prefix: tuple[str, ...]
    last: dict[str, object]

    def loadgen(self, *arguments: str) -> float: ...


def pacing(bench: Driven, connections: int, ceiling: float, rounds: int) -> list[Figure]:
    """The open model at half of what the closed one reached, as any process and before all others.

    A generator that has to wait for its core is late, and says so; what it is worth by itself is seen
    where nobody takes the core from it, which a real-time priority sees to, where the system grants one.
    """
    rate = round(ceiling / 2, -2)
    ways: dict[str, tuple[str, ...]] = {"among others": ()}
    if _granted(FIRST):
        ways["before all others"] = FIRST
    else:
        print("left out, for the system does not grant it: pacing with a real-time priority")
    delivered: dict[str, list[float]] = {name: [] for name in ways}
    lags_ms: dict[str, list[float]] = {name: [] for name in ways}
    resident: list[float] = []
    line = (f"--rps={rate}", f"--duration={PACING_S}", f"--connections={connections}")
    for number in range(rounds):
        for name, prefix in ways.items():
            bench.prefix = prefix
            delivered[name].append(bench.loadgen(*line) / rate)
            generator, verdict = bench.last["generator"], bench.last["verdict"]
            assert isinstance(generator, dict)
            assert isinstance(verdict, dict)
            lags_ms[name].append(float(generator["lag_p99_s"]) * 1e3)
            resident.append(float(generator["rss_bytes"]) / 1e6)
            print(
                f"pacing {number + 1}, {name}: {rate:,.0f}/s, delivered {delivered[name][-1]:.5f}, lag p99 "
                f"{lags_ms[name][-1]:.2f} ms, without a core {generator['cpu_wait_share']:.0%}, "
                f"{verdict['measurement']}"
            )
    bench.prefix = ()
    figures = []
    for name in ways:
        off = [abs(1 - share) * 100 for share in delivered[name]]
        for word, pick in (("best", min), ("median", statistics.median)):
            figures += [
                Figure(f"off the rate of {rate:,.0f}/s, {name}, {word}", pick(off), "%"),
                Figure(f"schedule lag p99, {name}, {word}", pick(lags_ms[name]), "ms"),
            ]
    return [*figures, Figure("memory of the worker, most", max(resident), "MB")]


def _granted(prefix: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def help_s() -> float:
    """Return how long --help takes, the fastest of five."""

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "services.loadgen", "--help"], stdout=subprocess.DEVNULL, cwd=ROOT
        )
        return time.perf_counter() - began

    return min(once() for _ in range(5))


def first_request_s() -> float:
    """Return how long a first run here takes to connect, calibration and all: the best of three."""
    prefix = FIRST if _granted(FIRST) else ()

    def once() -> float:
        with tempfile.TemporaryDirectory() as cache, socket.create_server(("127.0.0.1", 0)) as server:
            url = f"--url=http://127.0.0.1:{server.getsockname()[1]}/"
            line = ("-m", "services.loadgen", url, "--users=1", "--requests=1", "--quiet", "--nats=off")
            path = os.pathsep.join((str(ROOT / "shared"), str(ROOT)))
            began = time.perf_counter()
            run = subprocess.Popen(
                [*prefix, sys.executable, *line],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": cache},
                stdout=subprocess.DEVNULL,
            )
            connection, _ = server.accept()
            after_s = time.perf_counter() - began
            connection.close()
            run.wait(30)
        return after_s

    return min(once() for _ in range(3))
