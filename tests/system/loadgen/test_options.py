"""What the command line offers beside the plan's three commands."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.loadgen.command import Run, balanced, before_all_others, loadgen, start
from tests.system.loadgen.hostile import hostile_server

SCENARIO = """
ITEMS = [1, 2, 3]

async def user(u):
    page = await u.get("/ok", headers={"X-User": str(u.number)})
    u.check("is ok", page.status == 200 and page.text == "ok")
    missing = await u.get("/missing")
    u.check("is missing", missing.status == 404)
    broken = await u.post("/reset", json={"item": u.dice.choice(ITEMS)})
    u.check("is broken", broken.status == 0 and not broken.ok)
    if u.round == 2:
        raise LookupError("on purpose")
"""


async def test_users_written_in_python(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SCENARIO)
    async with hostile_server() as server:
        run = await loadgen(
            tmp_path, f"--scenario={file}", f"--url={server.url('')}", "--users=4", "--requests=5"
        )
        assert balanced(run.result), run
        assert (run.result["sent"], run.result["ok"], run.result["http_errors"]) == (60, 20, 20), run
        checks = {name: (one["passed"], one["failed"]) for name, one in run.result["checks"].items()}
        assert checks == {
            "is ok": (20, 0),
            "is missing": (20, 0),
            "is broken": (20, 0),
            "raised LookupError: on purpose": (0, 4),
        }


SLOW = """
async def user(u):
    await u.sleep(0.1)
    await u.get("/ok")
    await u.get("/missing")
"""


async def test_users_in_python_come_by_the_clock_and_keep_the_time_they_were_due(
    folders: list[Path],
) -> None:
    file = folders[0] / "slow.py"
    file.write_text(SLOW)
    async with hostile_server() as server:
        line = (f"--scenario={file}", f"--url={server.url('')}", "--rps=20", "--duration=500ms")
        alone, free, shed = await asyncio.gather(
            loadgen(folders[0], *line, "--connections=1"),
            loadgen(folders[1], *line),
            loadgen(folders[2], *line, "--max-in-flight=1"),
        )
    for run in (alone, free, shed):
        assert balanced(run.result), run
        assert run.result["offered"] == 10, run
        assert run.result["ok"] == run.result["http_errors"] == 10 - run.result["shed"]
    assert (alone.result["waited"], free.result["waited"]) == (9, 0), alone
    late_s = alone.result["response"]["avg_s"] - alone.result["service"]["avg_s"]
    assert late_s > 0.2, alone  # 0, 50, … 450 ms and more: each has the round before to wait for
    assert shed.result["shed"] > 0, shed


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Folders for runs at the same time."""
    found = [tmp_path / name for name in "abc"]
    for folder in found:
        folder.mkdir()
    return found


async def test_redirects_are_followed_only_when_asked_and_never_abroad(tmp_path: Path) -> None:
    async with hostile_server() as server:
        urls = [f"--url={server.url(path)}" for path in ("/redirects", "/redirects-abroad")]
        run = await loadgen(tmp_path, *urls, "--users=2", "--requests=20")
        assert (run.result["statuses"], server.asked["/ok"]) == ({"302": 40}, 0)
        followed = await loadgen(tmp_path, *urls, "--users=2", "--requests=20", "--follow-redirects")
    assert followed.result["errors"].keys() == {"redirect_refused"}
    assert followed.result["statuses"] == {"200": server.asked["/ok"]}
    assert balanced(followed.result)


async def test_headers_bodies_methods_and_who_is_asking(tmp_path: Path) -> None:
    async with hostile_server() as server:
        url = f"--url={server.url('/ok?a=b')}"
        await loadgen(
            tmp_path, url, "--users=1", "--requests=1", "--body=hello", "-HX-Mine: 1", "--run-id=mine"
        )
        await loadgen(tmp_path, url, "--users=1", "--requests=3", "--method=HEAD")
    posted, *heads = server.heads
    assert posted.startswith("POST /ok?a=b HTTP/1.1\r\n")
    assert "Content-Length: 5\r\n" in posted
    assert "X-Mine: 1\r\n" in posted
    assert "(run mine)\r\n" in posted
    assert [head.split(" ")[0] for head in heads] == ["HEAD"] * 3
    assert server.connections == 2


async def test_keep_alive_off_is_a_connection_for_each_request(tmp_path: Path) -> None:
    async with hostile_server() as server:
        await loadgen(tmp_path, f"--url={server.url('/ok')}", "--users=2", "--requests=5", "--no-keepalive")
    assert server.connections == 10
    assert all("Connection: close\r\n" in head for head in server.heads)


async def test_arrivals_beyond_the_connections_wait_inside_and_beyond_the_limit_are_shed(
    folders: list[Path],
) -> None:
    async with hostile_server() as server:
        line = (f"--url={server.url('/stalls')}", "--rps=200", "--duration=500ms", "--timeout=400ms")
        waited, shed = await asyncio.gather(
            loadgen(folders[0], *line, "--connections=2"),
            loadgen(folders[1], *line, "--connections=2", "--max-in-flight=5"),
        )
    for run in (waited, shed):
        assert balanced(run.result), run
        assert run.result["sent"] + run.result["unsent"] + run.result["shed"] == 100, run
    assert server.connections <= 2 * 2 * 5
    assert waited.result["unsent"] > 80
    assert shed.result["shed"] > 80


async def test_a_foreign_host_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    run = await loadgen(tmp_path, "--url=http://192.0.2.1/", "--users=1", "--requests=1")
    assert run.code == 2
    assert "--allow-host 192.0.2.1" in run.stderr


async def test_an_slo_decides_the_exit(folders: list[Path]) -> None:
    async with hostile_server() as server:
        line = (f"--url={server.url('/ok')}", "--users=2", "--requests=50")
        held, missed = await asyncio.gather(
            loadgen(folders[0], *line, "--slo=p50<9s"), loadgen(folders[1], *line, "--slo=p50<1us")
        )
    assert (held.code, held.result["slo"][0]["pass"]) == (0, True), held
    assert (missed.code, missed.result["slo"][0]["pass"]) == (3, False), missed


async def aborted(folder: Path) -> Run:
    async with hostile_server() as server:
        url = f"--url={server.url('/missing')}"
        return await loadgen(
            folder, url, "--rps=50", "--duration=60", "--slo=error_rate<1%", "--abort-on-fail"
        )


async def with_a_mute_broker(folder: Path) -> Run:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel accepts, nobody reads
        broker = f"--nats=nats://127.0.0.1:{mute.getsockname()[1]}"
        async with hostile_server() as server:
            return await loadgen(folder, f"--url={server.url('/ok')}", "--rps=100", "--duration=1", broker)


async def without_a_broker(folder: Path) -> Run:
    async with hostile_server() as server:
        line = (f"--url={server.url('/ok')}", "--users=2", "--requests=2")
        return await loadgen(folder, *line, "--nats=nats://127.0.0.1:1")


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs that wait for seconds, and so are made together."""
    kinds = (aborted, with_a_mute_broker, without_a_broker)

    async def together() -> list[Run]:
        return await asyncio.gather(*(run(tmp_path_factory.mktemp("waits")) for run in kinds))

    return dict(zip((run.__name__ for run in kinds), asyncio.run(together()), strict=True))


def test_it_ends_as_soon_as_an_slo_is_missed(waits: dict[str, Run]) -> None:
    run = waits["aborted"]
    assert (run.code, balanced(run.result)) == (3, True), run
    assert "aborted" in run.stdout


def test_a_broker_that_accepts_and_says_nothing_delays_no_request(waits: dict[str, Run]) -> None:
    run = waits["with_a_mute_broker"]
    assert (run.result["ok"], run.result["duration_s"]) == (100, pytest.approx(1.0, abs=0.5)), run
    assert run.stderr.count("broker") == 1, run.stderr


def test_no_broker_is_said_once_and_changes_nothing(waits: dict[str, Run]) -> None:
    run = waits["without_a_broker"]
    assert (run.code, run.result["ok"]) == (0, 4), run
    assert run.stderr.count("broker") == 1, run.stderr


async def test_help_teaches_and_needs_nothing(tmp_path: Path) -> None:
    process = await start("--help")
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    for said in ("--users 20 --requests 10", "--stress --max-users 100", "--endurance", "exit", "response"):
        assert said in stdout.decode()


async def first_request_after_s(cache: Path) -> float:
    """Return how long a first run on this machine, which has to be measured before, takes to its request."""
    async with hostile_server() as server:
        began_s = time.monotonic()
        process = await start(
            *(f"--url={server.url('/ok')}", "--users=1", "--requests=1", "--nats=off"),
            prefix=before_all_others(),
            XDG_CACHE_HOME=str(cache),
        )
        while not server.asked["/ok"]:
            await asyncio.sleep(0.005)
        after_s = time.monotonic() - began_s
        await process.communicate()
    return after_s


async def test_the_first_request_leaves_within_two_seconds(folders: list[Path]) -> None:
    tries = []
    for folder in folders:  # once is enough: it is about us, not about who else uses the machine
        tries.append(await first_request_after_s(folder))
        known = json.loads((folder / "atalaia" / "loadgen-calibration.json").read_text())
        assert known["ceiling"] > 1000
        assert 0 < known["floor_p50_s"] <= known["floor_p99_s"]
        if tries[-1] < 2.0:
            return
    pytest.fail(f"the first request left after {tries} s")


@pytest.mark.long
async def test_the_capacity_of_a_server_that_answers_two_at_a_time(tmp_path: Path) -> None:
    free = asyncio.Semaphore(2)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                async with free:
                    await asyncio.sleep(0.05)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start(
        f"--url=http://127.0.0.1:{port}/",
        "--find-capacity",
        "--slo=p50<150ms",
        "--duration=2",
        "--rps=20",
        "--quiet",
        "--nats=off",
    )
    stdout, stderr = await process.communicate()
    server.close()
    assert process.returncode == 0, stdout.decode() + stderr.decode()
    capacity = float(stdout.decode().split()[1].removesuffix("/s").replace(",", ""))
    assert 28 <= capacity <= 44, stdout.decode() + stderr.decode()
    assert "stopped     slo" in stdout.decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, found = folder / "key.pem", folder / "cert.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    files = ("-keyout", str(key), "-out", str(found), "-subj", "/CN=localhost")
    subprocess.run(
        [openssl, "req", "-x509", *curve, *files],
        check=True,
        capture_output=True,
    )
    return found, key


async def test_tls_is_checked_unless_told_otherwise(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with hostile_server(context) as server:
        line = (f"--url={server.url('/ok').replace('http:', 'https:')}", "--users=3", "--requests=4")
        unknown = await loadgen(tmp_path, *line)
        assert (unknown.code, unknown.result["errors"]) == (1, {"tls": 12}), unknown
        trusted = await loadgen(tmp_path, *line, "--insecure")
    assert (trusted.code, trusted.result["ok"]) == (0, 12), trusted
    assert balanced(trusted.result)
