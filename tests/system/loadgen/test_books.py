"""Whatever a server does, every request comes to exactly one end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psutil
import pytest

from tests.system.loadgen.command import balanced, loadgen, start
from tests.system.loadgen.hostile import PATHS, hostile_server
from tests.system.platform import free_ports


@pytest.mark.parametrize("end", ["ok", "http_errors", "connection_errors", "timeouts"])
async def test_every_way_to_misbehave_is_counted_as_what_it_is(tmp_path: Path, end: str) -> None:
    paths = [path for path, (_, expected) in PATHS.items() if expected == end]
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in paths]
        number = 3 * len(paths)
        run = await loadgen(tmp_path, *urls, "--users=4", f"--requests={number}", "--timeout=200ms")
        assert balanced(run.result), run
        assert run.result[end] == run.result["sent"] == 4 * number, run
        assert server.asked.total() == 4 * number
        assert set(server.asked) == set(paths)


@pytest.mark.parametrize("extra", [(), ("--no-keepalive",), ("--follow-redirects",), ("--workers=2",)])
async def test_all_of_it_at_once(tmp_path: Path, extra: tuple[str, ...]) -> None:
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in PATHS]
        run = await loadgen(tmp_path, *urls, "--rps=600", "--duration=1", "--timeout=250ms", *extra)
        assert balanced(run.result), run
        assert run.result["sent"] + run.result["unsent"] == 600, run
        assert server.connections >= 64


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("load", [("--users=20", "--duration=60"), ("--rps=300", "--duration=60")])
async def test_the_books_balance_when_it_is_interrupted(
    tmp_path: Path, number: signal.Signals, load: tuple[str, ...]
) -> None:
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in ("/ok", "/stalls", "/reset", "/missing")]
        run = await loadgen(
            tmp_path, *urls, *load, signals=number, after=lambda: server.asked["/stalls"] >= 10
        )
    assert run.code == 128 + number
    assert balanced(run.result), run
    assert run.result["in_flight"] >= 10
    assert "interrupted" in run.stdout


async def test_nobody_listens(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    run = await loadgen(tmp_path, f"--url=http://127.0.0.1:{port}/", "--users=5", "--requests=4")
    assert balanced(run.result), run
    assert (run.code, run.result["connection_errors"], run.result["errors"]) == (1, 20, {"refused": 20})


async def test_a_worker_does_not_outlive_its_parent() -> None:
    async with hostile_server() as server:
        process = await start(f"--url={server.url('/ok')}", "--rps=100", "--duration=60", "--plain")
        while server.asked["/ok"] < 10:
            await asyncio.sleep(0.02)
        worker = psutil.Process(process.pid).children()[0]
        process.kill()
        await process.wait()
        await asyncio.to_thread(worker.wait, 5)


async def test_it_is_said_that_a_worker_was_killed(tmp_path: Path) -> None:
    async with hostile_server() as server:
        process = await start(
            f"--url={server.url('/ok')}", "--rps=100", "--duration=60", "--plain", "--workers=2"
        )
        while server.asked["/ok"] < 50:
            assert process.stderr is not None
            await process.stderr.readline()
        psutil.Process(process.pid).children()[0].kill()
        psutil.Process(process.pid).send_signal(signal.SIGINT)
        stdout, _ = await process.communicate()
    assert "INVALID" in stdout.decode()
    assert "a part of the generator was lost" in stdout.decode()
