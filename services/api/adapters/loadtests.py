"""Load-test runs, from their stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from nats.aio.client import Client

from atalaia.broker.pull import Reader, Stored
from atalaia.errors import Transient
from atalaia.events.streams import LOADTESTS_STREAM
from atalaia.events.subjects import LOADTESTS_PREFIX, token
from atalaia.resilience.backoff import delay_s

ENDS = ("started", "finished")
MOST_WINDOWS = 50_000
QUIET_S = 5.0


class StreamLoadTests:
    """Every run's start and end in memory; its windows are read when asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runs: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        """Follow starts and ends for ever."""
        failures = 0
        while True:
            try:
                await self._follow()
            except Transient:
                failures += 1
                await asyncio.sleep(delay_s(failures, first_s=0.2, most_s=2.0))

    def page(self, limit: int, before: str | None) -> tuple[list[dict[str, Any]], str | None]:
        runs = sorted(self._runs.values(), key=_order, reverse=True)
        if before is not None:
            runs = [run for run in runs if _cursor(run) < before]
        page = runs[:limit]
        return page, _cursor(page[-1]) if len(runs) > limit else None

    async def one(self, run_id: str) -> dict[str, Any] | None:
        run = self._runs.get(run_id)
        if run is None:
            return None
        result: dict[str, Any] | None = None
        windows: list[dict[str, Any]] = []
        for stored in await self._messages(run_id):
            body = _json(stored)
            if stored.subject.endswith(".window") and len(windows) < MOST_WINDOWS:
                windows.append(body.get("window") or body)
            elif stored.subject.endswith(".finished"):
                result = body.get("result") or body
        return {**run, "result": result, "windows": windows}

    async def _follow(self) -> None:
        subjects = [f"{LOADTESTS_PREFIX}.*.{end}" for end in ENDS]
        reader = await Reader.open(self._client, LOADTESTS_STREAM, subjects=subjects, newest_of_each=True)
        try:
            while True:
                for stored in await reader.more(1.0):
                    self._take(stored)
        finally:
            await reader.close()

    def _take(self, stored: Stored) -> None:
        body = _json(stored)
        run_id = str(body.get("run_id") or stored.subject.split(".")[2])
        run = self._runs.setdefault(
            run_id,
            {
                "run_id": run_id,
                "started_at": None,
                "finished_at": None,
                "state": "running",
                "target": "",
                "verdict": None,
            },
        )
        at = body.get("at") or stored.stored_at.isoformat()
        run["target"] = body.get("target") or run["target"]
        if stored.subject.endswith(".started"):
            run["started_at"] = body.get("started_at") or at
        else:
            result = body.get("result") or body
            run["finished_at"] = body.get("finished_at") or at
            run["state"] = body.get("state") or "finished"
            run["verdict"] = result.get("verdict")

    async def _messages(self, run_id: str) -> list[Stored]:
        reader = await Reader.open(
            self._client, LOADTESTS_STREAM, subjects=[f"{LOADTESTS_PREFIX}.{token(run_id)}.*"]
        )
        found: list[Stored] = []
        try:
            done = reader.caught_up
            while not done:
                arrived = await reader.more(QUIET_S)
                if not arrived:
                    raise Transient(f"{LOADTESTS_STREAM}: nothing came for {QUIET_S:g} s")
                found += arrived
                done = found[-1].pending == 0
        finally:
            await reader.close()
        return found


def _json(stored: Stored) -> dict[str, Any]:
    try:
        body = json.loads(stored.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _order(run: dict[str, Any]) -> str:
    return _cursor(run)


def _cursor(run: dict[str, Any]) -> str:
    return f"{run['started_at'] or run['finished_at'] or ''} {run['run_id']}"
