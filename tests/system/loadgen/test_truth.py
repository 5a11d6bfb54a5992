"""It tells the truth about a server that stalls, and about itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system.loadgen.command import ROOT, Run, balanced, before_all_others, loadgen, start
from tests.system.platform import await_that


@contextlib.asynccontextmanager
async def null_server(after_s: float = 0.0, prefix: Sequence[str] = ()) -> AsyncIterator[tuple[int, str]]:
    """Yield (pid, URL)."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        sys.executable,
        "-m",
        "tests.system.loadgen.nullserver",
        str(after_s),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield process.pid, f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        await process.wait()


async def frozen(folder: Path, *, duration_s: int, frozen_s: float) -> Run:
    """Load a server with 2000 requests a second, and freeze it for a while in the middle."""
    first = before_all_others()  # it is about the stall, not about who else uses the machine
    async with null_server(prefix=first) as (pid, url):
        running = asyncio.ensure_future(
            loadgen(folder, f"--url={url}", "--rps=2000", f"--duration={duration_s}", prefix=first)
        )
        await asyncio.sleep(duration_s / 2)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(frozen_s)
        os.kill(pid, signal.SIGCONT)
        return await running


def tells_the_truth(run: Run, sent: int) -> bool:
    response, service = run.result["response"], run.result["service"]
    return bool(
        balanced(run.result)
        and run.result["sent"] == sent
        and 1.05 <= response["p99_s"] <= 1.45
        and service["p99_s"] < response["p99_s"] / 2
        and service["max_s"] > 1.3
    )


async def test_a_stall_is_seen_by_those_who_were_due_in_it(tmp_path: Path) -> None:
    run = await frozen(tmp_path, duration_s=4, frozen_s=1.4)
    assert tells_the_truth(run, 8_000), run


@pytest.mark.long
async def test_a_stall_is_seen_in_ten_runs_of_ten(tmp_path: Path) -> None:
    runs = [await frozen(tmp_path, duration_s=30, frozen_s=1.4) for _ in range(10)]
    assert [str(run) for run in runs if not tells_the_truth(run, 60_000)] == []


@contextlib.contextmanager
def busy_core(core: int, loops: int) -> Iterator[None]:
    children = [
        subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


async def starved(*, loops: int, seconds: int, rps: int) -> tuple[int, str]:
    """Run on a core that others keep busy; return (exit code, summary)."""
    async with null_server() as (pid, url):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, cores[1:] or cores)
        with busy_core(cores[0], loops):
            process = await start(
                *(f"--url={url}", f"--rps={rps}", f"--duration={seconds}", "--plain", "--nats=off"),
                prefix=("taskset", "-c", str(cores[0])),
            )
            stdout, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode()


async def test_a_starved_generator_says_that_its_numbers_are_worth_nothing() -> None:
    code, summary = await starved(loops=4, seconds=1, rps=15_000)
    assert code == 4, summary
    assert "INVALID" in summary


def leave_one_descriptor(process: psutil.Process) -> None:
    kept = set()
    for fd in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # connections come and go
            if not str(fd.readlink()).startswith("socket:"):
                kept.add(int(fd.name))
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (max(kept) + 2, 4096))


async def without_descriptors(folder: Path) -> Run:
    """Leave the worker one descriptor once it runs."""
    async with null_server() as (_, url):
        running = asyncio.ensure_future(
            loadgen(folder, f"--url={url}", "--users=8", "--duration=2", "--no-keepalive")
        )

        def worker() -> psutil.Process | None:
            children = psutil.Process().children(recursive=True)
            return next((one for one in children if one.cmdline()[-1:] == ["worker"]), None)

        found = await asyncio.to_thread(await_that, worker, what="the worker")
        await asyncio.sleep(1.0)  # it is in the middle of its work
        leave_one_descriptor(found)
        return await running


async def test_failures_for_want_of_descriptors_are_the_generators_own(tmp_path: Path) -> None:
    run = await without_descriptors(tmp_path)
    assert run.code == 4, run
    assert balanced(run.result)
    assert "no_descriptors" in run.result["errors"]
    assert any("failed here, not there" in reason for reason in run.result["verdict"]["reasons"])


@pytest.mark.long
async def test_a_starved_generator_is_found_out_nineteen_times_in_twenty() -> None:
    codes = [(await starved(loops=4, seconds=1, rps=15_000))[0] for _ in range(20)]
    assert codes.count(4) >= 19, codes


@pytest.mark.long
@pytest.mark.parametrize("load", ["--rps=500", "--rps=5000", "--users=20"])
async def test_a_healthy_generator_is_believed_nineteen_times_in_twenty(tmp_path: Path, load: str) -> None:
    first = before_all_others()  # a healthy one has its core
    verdicts = []
    async with null_server(0.01, first) as (_, url):
        for _ in range(20):
            run = await loadgen(tmp_path, f"--url={url}", load, "--duration=3", "--nats=off", prefix=first)
            verdicts.append(run.result["verdict"])
    assert [verdict["measurement"] for verdict in verdicts].count("valid") >= 19, verdicts


async def run_json(folder: Path, name: str, after_s: float, duration_s: int = 8) -> str:
    (folder / name).mkdir()
    async with null_server(after_s) as (_, url):
        await loadgen(folder / name, f"--url={url}", "--rps=100", f"--duration={duration_s}")
    return str(folder / name / "run.json")


async def compared(*arguments: str) -> tuple[int, str]:
    process = await start("compare", *arguments)
    stdout, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode()


@pytest.mark.long  # test_comparison.py has it without servers
async def test_one_run_against_one_is_no_regression_but_inconclusive(tmp_path: Path) -> None:
    one, other = await asyncio.gather(run_json(tmp_path, "one", 0.020), run_json(tmp_path, "other", 0.020))
    code, said = await compared(one, "--with", other)
    assert code == 0, said
    assert "inconclusive" in said
    assert "runs a side would show 10%" in said


@pytest.mark.long
async def test_a_tenth_slower_is_found_or_it_is_said_what_it_takes(tmp_path: Path) -> None:
    files: dict[str, list[str]] = {"old": [], "same": [], "slow": []}
    for number in range(5):
        for name, after_s in (("old", 0.050), ("same", 0.050), ("slow", 0.0575)):
            files[name].append(await run_json(tmp_path, f"{name}{number}", after_s, 5))
    same, said_of_same = await compared(*files["old"], "--with", *files["same"])
    slow, said_of_slow = await compared(*files["old"], "--with", *files["slow"])
    assert same == 0, said_of_same
    assert slow == 5 or "runs a side would show" in said_of_slow, said_of_slow


@pytest.mark.long
async def test_memory_does_not_grow(tmp_path: Path) -> None:
    async with null_server() as (_, url):
        process = await start(
            *(
                f"--url={url}",
                "--rps=1000",
                "--duration=12m",
                "--quiet",
                f"--out=json={tmp_path / 'run.json'}",
            )
        )
        await process.communicate()
    result: dict[str, Any] = json.loads((tmp_path / "run.json").read_text())
    resident = [window["rss_bytes"] for window in result["windows"]]
    assert max(resident) <= 120e6
    assert resident[-2] - resident[120] < 1e6


@pytest.mark.long
async def test_a_slow_start_is_found_and_left_out(tmp_path: Path) -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                asked += 1
                await asyncio.sleep(0.2 if asked <= 250 else 0.02)  # of 50 a second: five seconds
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"--url=http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    run = await loadgen(tmp_path, url, "--rps=50", "--duration=20", "--warmup=auto")
    server.close()
    assert run.result["sent"] == run.result["ok"] == 1000
    assert 5 <= run.result["warmup_s"] <= 10, run
    judged = [window for window in run.result["windows"] if not window["warmup"]]
    assert run.result["response"]["count"] == sum(window["ok"] for window in judged)
    assert run.result["response"]["p95_s"] < 0.15
    assert "warm-up" in run.stdout
