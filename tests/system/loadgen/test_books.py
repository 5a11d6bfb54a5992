"""Whatever a server does, every request comes to exactly one end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psutil
import pytest

from tests.system.loadgen.command import Run, balanced, loadgen, start
from tests.system.loadgen.hostile import PATHS, Hostile, hostile_server
from tests.system.platform import free_ports

ENDS = ("ok", "http_errors", "connection_errors", "timeouts")
EXTRAS: tuple[tuple[str, ...], ...] = ((), ("--no-keepalive",), ("--follow-redirects",), ("--workers=2",))
INTERRUPTED = [
    (load, number) for load in ("--users=20", "--rps=300") for number in (signal.SIGINT, signal.SIGTERM)
]


async def ends_in(folder: Path, end: str) -> tuple[Run, Hostile, int]:
    """Return a run on all paths that end so, and how many requests of how many users it had."""
    paths = [path for path, (_, expected) in PATHS.items() if expected == end]
    number = 3 * len(paths)
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in paths]
        run = await loadgen(folder, *urls, "--users=4", f"--requests={number}", "--timeout=200ms")
    return run, server, 4 * number


async def mixed(folder: Path, extra: tuple[str, ...]) -> tuple[Run, Hostile]:
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in PATHS]
        run = await loadgen(folder, *urls, "--rps=600", "--duration=1", "--timeout=250ms", *extra)
    return run, server


async def interrupted(folder: Path, load: str, number: signal.Signals) -> Run:
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in ("/ok", "/stalls", "/reset", "/missing")]
        return await loadgen(
            folder,
            *(*urls, load, "--duration=60"),
            signals=number,
            after=lambda: server.asked["/stalls"] >= 10,
        )


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Run, Hostile, int]]:
    """Runs that mostly wait, and so are made together."""

    async def together() -> list[tuple[Run, Hostile, int]]:
        return await asyncio.gather(*(ends_in(tmp_path_factory.mktemp(end), end) for end in ENDS))

    return dict(zip(ENDS, asyncio.run(together()), strict=True))


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], tuple[Run, Hostile]]:
    async def together() -> list[tuple[Run, Hostile]]:
        return await asyncio.gather(*(mixed(tmp_path_factory.mktemp("mixed"), extra) for extra in EXTRAS))

    return dict(zip(EXTRAS, asyncio.run(together()), strict=True))


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, signal.Signals], Run]:
    async def together() -> list[Run]:
        folders = (tmp_path_factory.mktemp("cut") for _ in INTERRUPTED)
        return await asyncio.gather(
            *(interrupted(folder, *one) for folder, one in zip(folders, INTERRUPTED, strict=True))
        )

    return dict(zip(INTERRUPTED, asyncio.run(together()), strict=True))


@pytest.mark.parametrize("end", ENDS)
def test_every_way_to_misbehave_is_counted_as_what_it_is(
    alike: dict[str, tuple[Run, Hostile, int]], end: str
) -> None:
    run, server, number = alike[end]
    assert balanced(run.result), run
    assert run.result[end] == run.result["sent"] == number, run
    assert server.asked.total() == number
    assert set(server.asked) == {path for path, (_, expected) in PATHS.items() if expected == end}


@pytest.mark.parametrize("extra", EXTRAS)
def test_all_of_it_at_once(
    mixtures: dict[tuple[str, ...], tuple[Run, Hostile]], extra: tuple[str, ...]
) -> None:
    run, server = mixtures[extra]
    assert balanced(run.result), run
    assert run.result["sent"] + run.result["unsent"] == 600, run
    assert server.connections >= 64


@pytest.mark.parametrize(("load", "number"), INTERRUPTED)
def test_the_books_balance_when_it_is_interrupted(
    cut_short: dict[tuple[str, signal.Signals], Run], load: str, number: signal.Signals
) -> None:
    run = cut_short[load, number]
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
