"""The example as its own processes: started like `make example`, asked over HTTP, stopped by signals."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.system.platform import ROOT, free_ports


class Shop:
    """`module` names another application to serve with uvicorn instead, as `package.module:factory`."""

    def __init__(self, *, workers: int = 1, module: str | None = None, **environment: str) -> None:
        (self.port,) = free_ports(1)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ATALAIA_") and name not in ("NATS_URL", "DATABASE_URL", "REDIS_URL")
        }
        self._environment = clean | {
            "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}",
            "ATALAIA_EXAMPLE_PORT": str(self.port),
            **environment,
        }
        self._command = [sys.executable, "-m", "examples.shop", f"--workers={workers}"]
        if module is not None:
            self._command = [
                *(sys.executable, "-m", "uvicorn", "--factory", module, f"--port={self.port}"),
                *(f"--workers={workers}", "--log-level=warning"),
            ]
        self.output: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, ready: str, *, within_s: float = 30.0) -> None:
        """Start and await the first good answer to `GET <ready>`."""
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        deadline = time.monotonic() + within_s
        while True:
            with contextlib.suppress(OSError):
                if self.get(ready) == 200:
                    return
            assert time.monotonic() < deadline, "not ready:\n" + "".join(self.output[-40:])
            time.sleep(0.05)

    def get(self, path: str, *, body: str | None = None) -> int:
        """Return the status of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[psutil.Process]:
        """Return uvicorn's workers: those children that have been spawned to serve."""
        children = psutil.Process(self.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def stop(self, *, within_s: float = 15.0) -> float:
        """SIGTERM it, await that nothing of it is left, and return how long that took."""
        assert self._process is not None
        family = psutil.Process(self.pid).children(recursive=True)
        began_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(within_s)
        took_s = time.monotonic() - began_s
        _, alive = psutil.wait_procs(family, timeout=within_s)
        assert not alive, f"still running: {alive}"
        return took_s

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
        process.stdout.close()


@contextlib.contextmanager
def running(shop: Shop, ready: str) -> Iterator[Shop]:
    """Start the shop, and leave nothing of it whatever happens."""
    shop.start(ready)
    try:
        yield shop
    finally:
        if psutil.pid_exists(shop.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in psutil.Process(shop.pid).children(recursive=True):
                    process.kill()
                psutil.Process(shop.pid).kill()


def folder_of(environment_file: Path) -> str:
    return str(environment_file.parent)
