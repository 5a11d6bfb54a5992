"""The load generator as a child process, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ENDS = ("ok", "http_errors", "connection_errors", "timeouts", "in_flight")


@dataclass(frozen=True, slots=True)
class Run:
    code: int
    stdout: str
    stderr: str
    result: dict[str, Any]

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.stdout}\n{self.stderr}"


def before_all_others() -> tuple[str, ...]:
    """Return what keeps a command's core for it, to put before it; () where the system does not grant it."""
    first = ("chrt", "--rr", "1")
    try:
        granted = subprocess.run([*first, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        granted = False
    return first if granted else ()


async def start(
    *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> asyncio.subprocess.Process:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ATALAIA_") and name not in ("NATS_URL", "DATABASE_URL", "REDIS_URL")
    }
    return await asyncio.create_subprocess_exec(
        *prefix,
        sys.executable,
        "-m",
        "services.loadgen",
        *arguments,
        cwd=ROOT,
        env={**clean, "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def loadgen(
    folder: Path,
    *arguments: str,
    signals: signal.Signals | None = None,
    after: Callable[[], bool] | None = None,
    prefix: Sequence[str] = (),
    **environment: str,
) -> Run:
    """Run it to its end; with `signals`, send that once `after` is true. Without a data folder: no broker."""
    out = folder / "run.json"
    out.unlink(missing_ok=True)
    if "ATALAIA_DATA_DIR" not in environment and not any(one.startswith("--nats") for one in arguments):
        arguments = (*arguments, "--nats=off")
    process = await start(*arguments, "--plain", f"--out=json={out}", prefix=prefix, **environment)
    if signals is not None:
        assert after is not None
        while not after():
            await asyncio.sleep(0.02)
        process.send_signal(signals)
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    result = json.loads(out.read_text()) if out.exists() else {}
    return Run(process.returncode, stdout.decode(), stderr.decode(), result)


def balanced(result: dict[str, Any]) -> bool:
    windows = result["windows"]
    return bool(
        result["sent"] == sum(result[end] for end in ENDS)
        and result["sent"] == sum(window["sent"] for window in windows)
        and result["response"]["count"] == result["service"]["count"] == result["ok"] + result["timeouts"]
    )
