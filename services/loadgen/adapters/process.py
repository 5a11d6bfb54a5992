"""Shares that are worker processes of ours."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from atalaia.errors import Misconfigured, Transient
from services.loadgen.domain.calibration import Calibration
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.histogram import unpacked
from services.loadgen.domain.plan import Plan, to_json
from services.loadgen.domain.window import Window

ROOT = Path(__file__).parents[3]
READY_WITHIN_S = 15.0
LINE_BYTES = 2**26


class ProcessShare:
    """A worker. It is spawned before the plan is known, so that it is warm by then, and must be closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calibration: Calibration | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def spawn(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT / "shared"), os.environ.get("PYTHONPATH"))))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.loadgen",
            "worker",
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path}"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )

    @property
    def pid(self) -> int:
        return self._running.pid

    async def calibrate(self, port: int, ceiling_s: float, floor_s: float) -> Calibration | None:
        """Measure what this machine's generator can do, with a server at that port that does nothing."""
        self._say("calibrate", {"port": port, "ceiling_s": ceiling_s, "floor_s": floor_s})
        word, said = await self._word(READY_WITHIN_S)
        return Calibration.from_json(said) if word == "calibrated" and said else None

    async def prepare(self, plan: Plan) -> None:
        self._say("plan", to_json(plan))
        word, said = await self._word(READY_WITHIN_S)
        if word == "failed":
            raise Misconfigured(str(said))
        if word != "ready":
            raise Transient(f"{self.name} did not start: {said}")

    def begin(self, epoch_ns: int) -> None:
        self._say("go", epoch_ns)

    def stop(self) -> None:
        self._say("stop", None)

    async def hear(self) -> tuple[str, Any]:
        word, said = await self._word(None)
        match word:
            case "window":
                return word, Window.from_json(said, unpacked)
            case "end":
                return word, Ending.from_json(said)
            case _:
                return "lost", said

    async def close(self) -> None:
        """End the process: its input ends, which it takes for a stop; one that does not hear is killed."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(2):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    def _say(self, word: str, what: Any) -> None:
        stdin = self._running.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(json.dumps({word: what}).encode() + b"\n")

    async def _word(self, within_s: float | None) -> tuple[str, Any]:
        stdout = self._running.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await stdout.readline()
        except TimeoutError:
            return "lost", f"nothing heard for {within_s:g} s"
        if not line:
            return "lost", f"its process ended with {await self._running.wait()}"
        (word, said), *_ = json.loads(line).items()
        return str(word), said
