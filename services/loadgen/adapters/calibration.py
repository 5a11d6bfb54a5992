"""What the generator can do on this machine, and what it adds: measured once, then remembered."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import cast

from atalaia import __version__
from services.loadgen.adapters.process import ProcessShare
from services.loadgen.domain.calibration import Calibration

CEILING_S = 0.25
FLOOR_S = 0.4  # as many requests as a p99 needs
REMEMBER_S, REMEMBER_DISTURBED_S = 7 * 86400.0, 600.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def calibrated(worker: ProcessShare, folder: Path) -> Calibration | None:
    """Return it from the file of this machine, or by a short measurement with a worker that is idle."""
    path = folder / "loadgen-calibration.json"
    key = f"{__version__} {platform.python_version()} {platform.machine()} {platform.node()} {os.cpu_count()}"
    known = _read(path, key)
    if known is not None:
        return known
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Null, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        found = await worker.calibrate(port, CEILING_S, FLOOR_S)
    finally:
        server.close()
    if found is not None:
        _write(path, {"key": key, "at_s": time.time(), **found.to_json()})
    return found


def cache_folder() -> Path:
    """Return where this user's programs keep what can be found out again."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atalaia"
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"atalaia-{os.getuid()}"


class _Null(asyncio.Protocol):
    """The least that can be called a server: one small answer for whatever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        self._write(_ANSWER)


def _read(path: Path, key: str) -> Calibration | None:
    try:
        kept = json.loads(path.read_text())
        found = Calibration.from_json(kept)
        for_s = REMEMBER_DISTURBED_S if found.disturbed else REMEMBER_S
        if kept["key"] == key and 0 <= time.time() - kept["at_s"] < for_s:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _write(path: Path, kept: dict[str, object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(kept))
        unfinished.replace(path)
    except OSError:
        return  # a home that cannot be written to costs a measurement each time
