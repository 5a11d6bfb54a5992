"""CPU per million samples stored and judged, ours and Prometheus', on the same series in one run.

Prometheus comes from the system's packages; 1000 targets with 100 series, every second; 100 alert rules,
each on a series of its own of every target, and 1000, ten on each. Ours is NATS, alerting and
Postgres together. Neither's source of values is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from nats.aio.client import Client

from atalaia.broker import ensure_streams
from atalaia.embedded import Child, free_port, local_servers
from atalaia.events.streams import streams
from benchmarks.figures import Figure, show
from benchmarks.workload import Sources, client_of, cpu_s, metric, rules_file, service

SOURCES, SERIES, RULES = 1000, 100, (100, 1000)
SETTLED_S, MEASURED_S = 15.0, 40.0
Count = Callable[[], Awaitable[float]]


async def ours(folder: Path, count: int) -> tuple[float, float]:
    """Return (million samples, CPU seconds) of the measured time."""
    async with local_servers(folder) as servers, client_of(servers) as client:
        rules = rules_file(folder, rules=count, metrics=SERIES)
        interval = {"ATALAIA_SELF_METRICS_INTERVAL_S": "1"}
        async with service("alerting", servers, ATALAIA_ALERTING_RULES=str(rules), **interval) as alerting:
            await ensure_streams(client.jetstream(timeout=10), streams())
            judged: list[float] = [0.0]
            await _follow_judged(client, judged)
            publishing = asyncio.create_task(_publish(client))
            try:
                return await _measured(lambda: _last(judged), [alerting, *_servers()])
            finally:
                assert not publishing.done(), publishing
                publishing.cancel()


async def theirs(folder: Path, count: int) -> tuple[float, float]:
    port, exporter_port = free_port(), free_port()
    async with _exporter(exporter_port):
        rules = [
            {
                "alert": f"bench-{number}",
                "expr": f"{_translated(number % SERIES)} > 0.9",
                "for": "60s",
            }
            for number in range(count)
        ]
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "bench", "rules": rules}]}))
        exporter = [f"127.0.0.1:{exporter_port}"]
        targets = [
            {"targets": exporter, "labels": {"__metrics_path__": f"/{number}", "source": f"bench-{number}"}}
            for number in range(SOURCES)
        ]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "bench", "static_configs": targets}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        command = [
            str(shutil.which("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        child = await Child.spawn(command, sink=lambda line: print(f"  prometheus: {line}", file=sys.stderr))
        try:
            found = await _measured(lambda: _appended(port), [psutil.Process(child.pid)])
            missed = await _counted(port, "prometheus_rule_group_iterations_missed_total")
            if missed:
                print(f"Prometheus missed {missed:g} of about {SETTLED_S + MEASURED_S:g} evaluations")
            return found
        finally:
            await child.stop(within_s=20)


async def _measured(samples: Count, processes: list[psutil.Process]) -> tuple[float, float]:
    await asyncio.sleep(SETTLED_S)
    before, cpu_before = await samples(), cpu_s(processes)
    await asyncio.sleep(MEASURED_S)
    return (await samples() - before) / 1e6, cpu_s(processes) - cpu_before


async def _follow_judged(client: Client, judged: list[float]) -> None:
    async def hear(message: object) -> None:
        counters = json.loads(message.data)["counters"]  # type: ignore[attr-defined]
        judged[0] = counters.get("atalaia.alerting.samples", 0.0)

    await client.subscribe("atalaia.metrics.service.alerting.*", cb=hear)


async def _last(judged: list[float]) -> float:
    return judged[0]


async def _publish(client: Client) -> None:
    """Publish each source once a second, evenly spread."""
    sources, jetstream = Sources(SOURCES, series=SERIES), client.jetstream(timeout=10)
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * SOURCES)
        futures = []
        while sent < due:
            subject, body, about = sources.message(sources.names[sent % SOURCES], datetime.now(UTC))
            futures.append(await jetstream.publish_async(subject, body, headers=about))
            sent += 1
        await asyncio.gather(*futures)
        await asyncio.sleep(0.01)


def _servers() -> list[psutil.Process]:
    """Return this process' NATS and Postgres."""
    mine = psutil.Process().children()
    return [one for one in mine if {"nats-server", "postgres"} & {Path(part).name for part in one.cmdline()}]


@asynccontextmanager
async def _exporter(port: int) -> AsyncIterator[None]:
    """Serve each source's series, a little different each time, in Prometheus' text format."""
    bodies = [_exposition(seed) for seed in range(50)]
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                served += 1
                writer.write(bodies[served % len(bodies)])
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=2 * SOURCES)
    try:
        yield
    finally:
        server.close()


def _exposition(seed: int) -> bytes:
    _, body, _ = Sources(1, series=SERIES, seed=seed).message("x", datetime.now(UTC))
    values = json.loads(body)["gauges"].values()
    text = "".join(f"{_translated(number)} {value}\n" for number, value in enumerate(values))
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return (head + text).encode()


def _translated(number: int) -> str:
    return metric(number).replace(".", "_")


async def _appended(port: int) -> float:
    return await _counted(port, "prometheus_tsdb_head_samples_appended_total")


async def _counted(port: int, name: str) -> float:
    def ask() -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    return await asyncio.to_thread(ask)


def main() -> None:
    if shutil.which("prometheus") is None:
        print("prometheus is not on the PATH; the system's package `prometheus` brings it")
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, nargs="*", default=RULES, help="how many, one run for each")
    arguments, _ = parser.parse_known_args()
    for count in arguments.rules:
        compare(count)


def compare(count: int) -> None:
    """Measure both, one after the other, under so many rules."""
    found = []
    for side in (ours, theirs):
        with tempfile.TemporaryDirectory() as name:
            print(f"measuring {'ours' if side is ours else 'Prometheus'} for {MEASURED_S:g} s", flush=True)
            found.append(asyncio.run(side(Path(name), count)))
    (our_samples, our_cpu), (their_samples, their_cpu) = found
    ratio = (our_cpu / our_samples) / (their_cpu / their_samples)
    figures = [
        Figure("samples stored and judged, ours", our_samples, "million"),
        Figure("samples stored and judged, Prometheus", their_samples, "million"),
        Figure("CPU of Prometheus", their_cpu / their_samples, "s/million"),
        Figure("CPU of NATS, alerting, Postgres", our_cpu / our_samples, "s/million", ratio, "Prometheus"),
    ]
    show(f"{SOURCES} sources with {SERIES} series a second, {count} alert rules", figures)


if __name__ == "__main__":
    main()
