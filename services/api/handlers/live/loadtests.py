"""Load tests as they begin, go on and end."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from atalaia.clock import Clock
from services.api.domain.board import Board, Versions
from services.api.handlers.live.topics import NOTHING, Said, Topic
from services.api.ports import LoadTests

NEWEST_RUNS = 50
REMEMBERED_WINDOWS = 600


class LoadTestsTopic(Topic):
    name = "loadtests"

    def __init__(self, loadtests: LoadTests, versions: Versions, clock: Clock) -> None:
        self._loadtests = loadtests
        self._versions = versions
        self._clock = clock
        self._runs: Board[str, dict[str, Any]] = Board()
        self._windows: deque[tuple[int, str, dict[str, Any]]] = deque(maxlen=REMEMBERED_WINDOWS)
        self._lost = 0
        self._touched = False

    def touched(self) -> bool:
        """Say whether anything has happened since the last call."""
        self._catch_up()
        touched, self._touched = self._touched, False
        return touched

    def _catch_up(self) -> None:
        now_s = self._clock.now().timestamp()
        runs, windows = self._loadtests.news()
        for run in runs:
            self._runs.put(run["run_id"], run, self._versions.next(now_s))
        for run_id, window in windows:
            if len(self._windows) == REMEMBERED_WINDOWS:
                self._lost = self._windows[0][0]
            self._windows.append((self._versions.next(now_s), run_id, window))
        self._touched |= bool(runs or windows)

    def horizon(self) -> int:
        self._catch_up()
        return self._versions.newest

    async def news(self, since: int | None, until: int) -> Said | None:
        changed = None if since is None or since < self._lost else self._runs.between(since, until)
        if since is None or changed is None:
            reached = self.horizon()
            runs, _ = self._loadtests.page(NEWEST_RUNS, None)
            return Said(json.dumps({"snapshot": True, "loadtests": runs}).encode(), reached)
        windows: dict[str, list[dict[str, Any]]] = {}
        for version, run_id, window in self._windows:
            if since < version <= until:
                windows.setdefault(run_id, []).append(window)
        if not changed and not windows:
            return Said(NOTHING, max(since, until))
        said = {"snapshot": False, "loadtests": changed.values, "windows": windows}
        return Said(json.dumps(said).encode(), max(since, until))
