"""Load-test runs, from their stream."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from datetime import datetime
from typing import Any

import nats.errors
import nats.js.errors
from pydantic import TypeAdapter, ValidationError

from atalaia.broker import EnduringClient
from atalaia.broker.pull import Reader, Stored
from atalaia.errors import Conflict, Forbidden, Invalid, Transient
from atalaia.events.loadtests import LoadTestRequest
from atalaia.events.streams import LOADTESTS_STREAM
from atalaia.events.subjects import LOADTESTS_PREFIX, rpc_subject, token
from atalaia.resilience.backoff import delay_s
from services.api.adapters.meanwhile import Meanwhile
from services.api.ports import LoadTestLimits

EVENTS = ("started", "window", "finished")
MOST_NEWS = 600  # windows that nobody has taken yet
MOST_WINDOWS = 50_000
QUIET_S = 5.0
ANSWER_WITHIN_S = 5.0
LOST_AFTER_S = 120.0


class StreamLoadTests:
    """Every run's start and end in memory; its windows are read when asked for."""

    def __init__(self, client: EnduringClient, meanwhile: Meanwhile) -> None:
        self._client = client
        self._meanwhile = meanwhile
        self._runs: dict[str, dict[str, Any]] = {}
        self._over_by_s: dict[str, float] = {}
        self._created: datetime | None = None
        self._sequence = 0
        self._changed: set[str] = set()
        self._settled: set[str] = set()
        self._windows: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_NEWS)

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
        return [self._as_now(run) for run in page], _cursor(page[-1]) if len(runs) > limit else None

    def news(self) -> tuple[list[dict[str, Any]], list[tuple[str, dict[str, Any]]]]:
        for run_id in self._over_by_s.keys() - self._settled:
            if self._as_now(self._runs[run_id])["state"] == "lost":
                self._settled.add(run_id)
                self._changed.add(run_id)
        runs = [self._as_now(self._runs[run_id]) for run_id in sorted(self._changed)]
        windows = list(self._windows)
        self._changed.clear()
        self._windows.clear()
        return runs, windows

    async def one(self, run_id: str) -> dict[str, Any] | None:
        run = self._runs.get(run_id)
        if run is None:
            return None
        result: dict[str, Any] | None = None
        windows: list[dict[str, Any]] = []
        for stored in await self._messages(run_id):
            body = _json(stored)
            if stored.subject.endswith(".window") and len(windows) < MOST_WINDOWS:
                windows.append(_without_histograms(body))
            elif stored.subject.endswith(".finished"):
                result = body
        return {**self._as_now(run), "result": result, "windows": windows, "server": await self._server(run)}

    def _as_now(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a run; one that should have ended long ago was killed in the middle."""
        over_by_s = self._over_by_s.get(run["run_id"], math.inf)
        lost = run["state"] == "running" and time.time() > over_by_s
        return {**run, "state": "lost"} if lost else run

    async def _server(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        began_s = _epoch_s(run["started_at"])
        if began_s is None:
            return []
        return await self._meanwhile.between(began_s, _epoch_s(run["finished_at"]))

    async def _follow(self) -> None:
        reader = await self._open()
        try:
            while True:
                for stored in await reader.more(1.0):
                    self._sequence = stored.sequence
                    self._take(stored)
        finally:
            await reader.close()

    async def _open(self) -> Reader:
        """Begin with the newest of each event of every run; later go on where it ended."""
        try:
            info = await self._client.jetstream(timeout=5).stream_info(LOADTESTS_STREAM)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"{LOADTESTS_STREAM}: {error!r}") from error
        created = info.created if isinstance(info.created, datetime) else None
        if created != self._created or info.state.last_seq < self._sequence:
            self._created, self._sequence = created, 0
        if self._sequence:
            return await Reader.open(self._client, LOADTESTS_STREAM, from_sequence=self._sequence + 1)
        subjects = [f"{LOADTESTS_PREFIX}.*.{event}" for event in EVENTS]
        return await Reader.open(self._client, LOADTESTS_STREAM, subjects=subjects, newest_of_each=True)

    def _take(self, stored: Stored) -> None:
        body = _json(stored)
        run_id = str(body.get("run_id") or stored.subject.split(".")[2])
        if stored.subject.endswith(".window"):
            if time.time() - stored.stored_at.timestamp() < LOST_AFTER_S:  # not those of runs long ago
                self._windows.append((run_id, _without_histograms(body)))
            return
        self._changed.add(run_id)
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
            length_s, began_s = body.get("duration_s"), _epoch_s(run["started_at"])
            if isinstance(length_s, int | float) and began_s is not None:
                self._over_by_s[run_id] = began_s + length_s + LOST_AFTER_S
        else:
            self._settled.add(run_id)
            run["finished_at"] = body.get("finished_at") or at
            run["state"] = body.get("state") or "finished"
            run["verdict"] = body.get("verdict")

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


def _epoch_s(at: str | None) -> float | None:
    try:
        return datetime.fromisoformat(at).timestamp() if at else None
    except ValueError:
        return None


def _json(stored: Stored) -> dict[str, Any]:
    try:
        body = json.loads(stored.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _without_histograms(window: dict[str, Any]) -> dict[str, Any]:
    """The broker keeps them, for whoever adds them up."""
    return {name: value for name, value in window.items() if name != "histograms"}


def _order(run: dict[str, Any]) -> str:
    return _cursor(run)


def _cursor(run: dict[str, Any]) -> str:
    return f"{run['started_at'] or run['finished_at'] or ''} {run['run_id']}"


class NobodyThere(Transient):
    """Nobody listens on that subject."""


class LoadgenRequests:
    """Asks an idle instance of the load generator to run a test."""

    def __init__(self, client: EnduringClient) -> None:
        self._client = client

    async def run(self, request: LoadTestRequest) -> str:
        """Return the run's id.

        Raises:
            Forbidden, Conflict, Invalid: the load generator refuses.
            Transient: there is none, or it does not answer.
        """
        reply = await self._ask(rpc_subject("loadgen", "run"), request.model_dump_json().encode())
        match reply:
            case {"ok": True, "run_id": str(run_id)}:
                return run_id
            case {"error": "forbidden", "detail": str(detail), "field": str(field)}:
                raise Forbidden(detail, field=field)
            case {"error": "conflict", "detail": str(detail)}:
                raise Conflict(detail)
            case {"error": "invalid", "detail": str(detail), "field": str(field)}:
                raise Invalid(detail, field=field)
            case _:
                raise Transient("the load generator's answer could not be read")

    async def end(self, run_id: str) -> bool:
        """End a run; False where none of that name goes on. Raises `Transient`."""
        try:
            await self._ask(f"{rpc_subject('loadgen', 'end')}.{token(run_id)}", b"")
        except NobodyThere:
            return False
        return True

    async def limits(self) -> LoadTestLimits:
        try:
            return TypeAdapter(LoadTestLimits).validate_python(
                await self._ask(rpc_subject("loadgen", "limits"), b"")
            )
        except ValidationError as error:
            raise Transient("the load generator's answer could not be read") from error

    async def _ask(self, subject: str, body: bytes) -> object:
        if not self._client.is_connected:
            raise Transient("the broker is away: the load generator cannot be asked")
        try:
            answer = await self._client.request(subject, body, timeout=ANSWER_WITHIN_S)
            return json.loads(answer.data)
        except nats.errors.NoRespondersError as error:
            raise NobodyThere("no instance of the load generator is there to ask") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"the load generator did not answer: {error!r}") from error
        except ValueError as error:
            raise Transient("the load generator's answer could not be read") from error
