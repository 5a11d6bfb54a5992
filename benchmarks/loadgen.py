"""The load generator against wrk, hey and Locust: `python -m benchmarks.loadgen`.

All drive the same nginx over 50 connections, in turns, pinned to one core while nginx has another.
Where others use the machine, the figures by CPU second stand: a run's less those of a run of one second,
so that the start of each tool is not in them.
Peers come from the system's packages (`apt-get install nginx-light wrk hey`) and, in a venv of its
own, `pip install locust`; those that are missing are named and left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, show
from benchmarks.pacing import first_request_s, help_s, pacing

ROOT = Path(__file__).parents[1]
CONNECTIONS = 50
CLIENT_CORE, SERVER_CORE = "0", "1"
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }}
}}
"""
LOCUSTFILE = """
from locust import FastHttpUser, constant, task
class One(FastHttpUser):
    wait_time = constant(0)
    @task
    def get(self): self.client.get("/")
"""
SCENARIO = """
async def user(u):
    await u.get("/")
"""


class Bench:
    """Runs one tool at a time; each method returns requests a second."""

    def __init__(self, folder: Path, url: str, seconds: int) -> None:
        self._folder = folder
        self._url = url
        self.seconds = seconds
        self.prefix: tuple[str, ...] = ()
        self.last: dict[str, object] = {}

    def loadgen(self, *arguments: str) -> float:
        out = self._folder / "run.json"
        given = arguments or (f"--users={CONNECTIONS}", f"--duration={self.seconds}")
        self._run(
            sys.executable,
            "-m",
            "services.loadgen",
            f"--url={self._url}",
            *given,
            "--quiet",
            "--nats=off",
            f"--out=json={out}",
        )
        self.last = json.loads(out.read_text())
        return float(str(self.last["rate"]))

    def scenario(self) -> float:
        file = self._folder / "scenario.py"
        file.write_text(SCENARIO)
        return self.loadgen(f"--scenario={file}", f"--users={CONNECTIONS}", f"--duration={self.seconds}")

    def wrk(self) -> float:
        return _reported(self._run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", self._url))

    def hey(self) -> float:
        return _reported(
            self._run("hey", "-cpus", "1", "-c", str(CONNECTIONS), "-z", f"{self.seconds}s", self._url)
        )

    def locust(self, program: str) -> float:
        file = self._folder / "locustfile.py"
        file.write_text(LOCUSTFILE)
        users = str(CONNECTIONS)
        self._run(
            *(program, "-f", str(file), "--headless", "-u", users, "-r", "1000", "-t", f"{self.seconds}s"),
            *(
                "--host",
                self._url.rstrip("/"),
                "--only-summary",
                "--csv",
                str(self._folder / "locust"),
                "--loglevel",
                "ERROR",
            ),
        )
        with (self._folder / "locust_stats.csv").open() as file_:
            total = next(row for row in csv.DictReader(file_) if row["Name"] == "Aggregated")
        return float(total["Requests/s"])

    def _run(self, *command: str) -> str:
        pinned = (*self.prefix, "taskset", "-c", CLIENT_CORE, *command)
        path = os.pathsep.join((str(ROOT / "shared"), str(ROOT)))
        done = subprocess.run(
            pinned,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        return done.stdout


def _reported(text: str) -> float:
    match = re.search(r"Requests/sec:\s*([\d.]+)", text)
    assert match is not None, text
    return float(match[1])


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[str]:
    """Serve 100 bytes on loopback from a core of its own."""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, body="x" * 100))
    server = subprocess.Popen(["taskset", "-c", SERVER_CORE, "nginx", "-p", str(folder), "-c", str(config)])
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(5)


def compare(bench: Bench, rounds: int, locust: str | None) -> list[Figure]:
    """Let everyone run in turns; ratios are the median of those within a round."""
    tools: dict[str, Callable[[], float]] = {
        "loadgen": bench.loadgen,
        "loadgen, users in Python": bench.scenario,
    }
    for name, run in (("wrk", bench.wrk), ("hey", bench.hey)):
        if shutil.which(name):
            tools[name] = run
    if locust:
        tools["locust"] = lambda: bench.locust(locust)
    missing = {"wrk", "hey", "locust"} - tools.keys()
    if missing:
        print(f"left out, for it is not installed: {', '.join(sorted(missing))}")
    rates: dict[str, list[float]] = {name: [] for name in tools}
    by_cpu: dict[str, list[float]] = {name: [] for name in tools}
    whole = bench.seconds
    for number in range(rounds):
        for name, run in tools.items():
            bench.seconds = 1
            short, short_cpu_s = _with_cpu(run)
            bench.seconds = whole
            rate, cpu_s = _with_cpu(run)
            rates[name].append(rate)
            by_cpu[name].append((rate * whole - short) / (cpu_s - short_cpu_s))
        print(
            f"round {number + 1}: " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items())
        )
    figures = [Figure(f"{name} (median)", statistics.median(found), "req/s") for name, found in rates.items()]
    pairs = [("loadgen", peer) for peer in ("wrk", "hey", "locust")] + [
        ("loadgen, users in Python", "locust")
    ]
    for unit, found in (("req/s", rates), ("req/CPU s", by_cpu)):
        for ours, peer in pairs:
            if peer in found:
                ratio = statistics.median(a / b for a, b in zip(found[ours], found[peer], strict=True))
                figures.append(Figure(ours, statistics.median(found[ours]), unit, ratio, peer))
    return figures


def _with_cpu(run: Callable[[], float]) -> tuple[float, float]:
    before_s = _children_cpu_s()
    return run(), _children_cpu_s() - before_s


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    parser.add_argument("--locust", default=shutil.which("locust"), help="the program, where not on PATH")
    parser.add_argument("--port", type=int, default=18080)
    given, _ = parser.parse_known_args()
    if not shutil.which("nginx"):
        print("loadgen: nginx is not installed, there is nothing to drive")
        return
    with tempfile.TemporaryDirectory() as name, nginx(Path(name), given.port) as url:
        bench = Bench(Path(name), url, given.seconds)
        figures = compare(bench, given.rounds, given.locust)
        figures += pacing(bench, CONNECTIONS, figures[0].value, given.rounds)
    figures.append(Figure("first request of a first run", first_request_s(), "s"))
    figures.append(Figure("--help", help_s(), "s"))
    show(f"{CONNECTIONS} connections to one nginx, each on one core", figures)


if __name__ == "__main__":
    main()
