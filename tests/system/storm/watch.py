"""Somebody who reads the gateway all the time, and remembers what it said of itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.system.storm.stage import Stage, troubles_in

READ_EVERY_S = 0.1
NEED_POSTGRES = ("/alerts?limit=50", "/alerts?state=resolved&limit=50")
HISTORY = "/metrics/storm.value?kind=storm&source=storm-7&limit=100"
NEED_NOTHING = (
    "/metrics?kind=storm&name=storm.value",
    HISTORY,
    "/performance",
    "/cache/status",
)


@dataclass(slots=True)
class Watch:
    """Reads ten times a second, each path in turn; counts what came of it."""

    stage: Stage
    reads: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _away: frozenset[str] = frozenset()
    _health: dict[str, Any] | None = None
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    def excuse(self, away: Collection[str]) -> None:
        """From now on, what needs one of these may fail as the contract says it may."""
        self._away = frozenset(away)

    async def run(self) -> None:
        while (await self.stage.ask(HISTORY))[0] != 200:
            await asyncio.sleep(0.1)  # the sources have not spoken yet
        async with asyncio.TaskGroup() as group:
            for paths in (("/health/detailed",), ("/health",), NEED_NOTHING, NEED_POSTGRES):
                group.create_task(self._read(paths))

    async def troubles(self, *, within_s: float = 6.0) -> list[str] | None:
        """Return what the next `/health/detailed` complains about; None: it is not answered."""
        try:
            async with asyncio.timeout(within_s):
                await self._answered.wait()
        except TimeoutError:
            return None
        return None if self._health is None else troubles_in(self._health, self.stage.services)

    async def _read(self, paths: tuple[str, ...]) -> None:
        while True:
            for path in paths:
                excused_before = self._away
                status, headers, body = await self.stage.ask(path)
                excuses = self._away | excused_before
                outcome = _outcome(path, status, headers, excuses)
                self.reads[outcome] += 1
                if outcome == "failed":
                    self.failures.append(f"{path}: {status} {body} while {sorted(excuses)} away")
                if path == "/health/detailed":
                    self._health = body if status == 200 else None
                    self._answered.set()
                    self._answered = asyncio.Event()  # for those who ask from now on
                await asyncio.sleep(READ_EVERY_S)


def _outcome(path: str, status: int, headers: dict[str, str], away: frozenset[str]) -> str:
    if status == 200 or (path == "/health" and status == 503):
        return "ok"
    gone = path == HISTORY and status == 404 and "history" in away
    if gone or any(name.startswith("api") for name in away):
        return "excused"
    refused = status == 503 and headers.get("retry-after", "").isdigit()
    return "try again" if refused and path in NEED_POSTGRES and "postgres" in away else "failed"
