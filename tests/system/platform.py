"""The whole platform as a child process, for tests that look at it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psutil
from nats.aio.client import Client

from atalaia.broker import EnduringClient

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody holds at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Platform:
    """`python -m services` on its own ports and data folder."""

    def __init__(self, data_dir: Path, root: Path = ROOT, **settings: str) -> None:
        self.data_dir = data_dir
        self._root = root
        self.http_port, nats_port, postgres_port, redis_port = free_ports(4)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ATALAIA_")}
        for url in ("NATS_URL", "DATABASE_URL", "REDIS_URL"):
            clean.pop(url, None)
        self.environment = clean | {
            "PYTHONPATH": f"{root / 'shared'}{os.pathsep}{root}",
            "ATALAIA_DATA_DIR": str(data_dir),
            "ATALAIA_HTTP_PORT": str(self.http_port),
            "ATALAIA_NATS_PORT": str(nats_port),
            "ATALAIA_POSTGRES_PORT": str(postgres_port),
            "ATALAIA_REDIS_PORT": str(redis_port),
            "ATALAIA_COLLECTOR_INTERVAL_S": "1",
            "ATALAIA_LOADGEN_MAX_DURATION_S": "20",  # what a search for mistakes asks for must end
            "ATALAIA_LOADGEN_MAX_RPS": "200",
            "ATALAIA_LOADGEN_MAX_USERS": "20",
            **settings,
        }
        self.output: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()

    def start(self, *, within_s: float = 60.0, prefix: Sequence[str] = ()) -> float:
        """Start, await the ready line, and return how long it took in seconds."""
        self._ready.clear()
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "services"],
            cwd=self._root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        if not self._ready.wait(within_s):
            raise AssertionError("not ready:\n" + "".join(self.output[-60:]))
        return time.monotonic() - began

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            if line == f"ready http://127.0.0.1:{self.http_port}\n":
                self._ready.set()
        process.stdout.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    def child(self, command: str) -> psutil.Process:
        """Return the child whose command line holds `command`, the uppermost where there are several."""
        return next(child for child in self.children() if command in " ".join(child.cmdline()))

    def stop(self, *, number: signal.Signals = signal.SIGTERM, within_s: float = 15.0) -> int:
        """Signal the parent and return its exit code, once nothing of it is left."""
        assert self._process is not None
        family = [psutil.Process(self.pid), *self.children()]
        self._process.send_signal(number)
        code = self._process.wait(within_s)
        _, alive = psutil.wait_procs(family, timeout=within_s)
        assert not alive, f"still running: {alive}"
        return code

    def kill_tree(self) -> None:
        """SIGKILL everything at once."""
        for process in (psutil.Process(self.pid), *self.children()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert self._process is not None
        self._process.wait(10)

    def get(self, path: str) -> tuple[int, Any]:
        return self.request("GET", path)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Return (status, JSON or text); `path` is below the prefix, or with `//` from the root."""
        full = path if path.startswith("//") else f"/api/v1/monitoring{path}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/{full.lstrip('/')}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _content(error.read())

    def urls(self) -> dict[str, str]:
        """Return what the platform wrote for other programs to read."""
        lines = (self.data_dir / "env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {name.removeprefix("export "): value.strip("'\"") for name, value in pairs}

    @contextlib.asynccontextmanager
    async def nats(self, url: str = "NATS_URL") -> AsyncIterator[Client]:
        """Lend a connection with the rights of one of the URLs that the platform wrote."""

        async def quiet(error: Exception) -> None:
            """The tests that take the broker away know that it is away."""

        client = EnduringClient()
        await client.connect(
            self.urls()[url],
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            error_cb=quiet,
        )
        try:
            yield client
        finally:
            await client.close()


def _content(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


def await_that(question: Callable[[], T | None], *, within_s: float = 10.0, what: str = "it") -> T:
    """Return the first true answer; ask until then."""
    deadline = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {within_s} s for {what}; last answer {answer!r}"
        time.sleep(0.05)


class Source:
    """A plain NATS client's idea of a source: bodies alone, no headers."""

    def __init__(self, name: str, series: str = "system.cpu.utilization", kind: str = "host") -> None:
        self.name, self.series, self.kind = name, series, kind
        self.at = datetime.now(UTC) - timedelta(seconds=300)

    @property
    def subject(self) -> str:
        return f"atalaia.metrics.{self.kind}.{self.name}.{self.name}"

    def body(self, value: float, *, after_s: float = 10.0) -> bytes:
        self.at += timedelta(seconds=after_s)
        return json.dumps(
            {
                "source": self.name,
                "kind": self.kind,
                "at": self.at.isoformat(),
                "interval_s": 10.0,
                "gauges": {self.series: value},
            }
        ).encode()

    def bodies(self, *values: float) -> Iterator[bytes]:
        return (self.body(value) for value in values)
