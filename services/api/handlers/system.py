"""The cache, this machine, load tests, and what orchestrators ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query
from pydantic import StringConstraints
from starlette.responses import Response

from atalaia import __version__
from atalaia.errors import NotFound, Transient
from atalaia.events.instants import iso
from atalaia.events.loadtests import LoadTestRequest
from services.api.domain.registry import Instance
from services.api.handlers.models import (
    CacheStatusAnswer,
    ClearedAnswer,
    LoadTestAcceptedAnswer,
    LoadTestDetailAnswer,
    LoadTestLimitsAnswer,
    LoadTestsAnswer,
    StateAnswer,
    SystemAnswer,
    Text,
    VersionAnswer,
)
from services.api.handlers.problems import described
from services.api.ports import CacheControl, LoadTestRunner, LoadTests

Cursor = Annotated[str, StringConstraints(max_length=300, pattern=r"^[ -~]*$")]


class CacheHandlers:
    def __init__(self, cache: CacheControl) -> None:
        self._cache = cache

    def register(self, router: APIRouter) -> None:
        router.get("/cache/status", response_model=CacheStatusAnswer)(self.status)
        router.post("/cache/clear", response_model=ClearedAnswer, responses=described(403, 413, 503))(
            self.clear
        )

    async def status(self) -> CacheStatusAnswer:
        """The cache as this replica sees it; answers when it is away, too."""
        return CacheStatusAnswer.model_validate(await self._cache.report())

    async def clear(
        self, pattern: Annotated[Text, Query(description="keys, with * and ?; without: all of ours")] = "*"
    ) -> ClearedAnswer:
        """Remove what is Atalaia's and matches; nothing else in that Redis."""
        return ClearedAnswer(cleared=await self._cache.clear(pattern))


class SystemHandlers:
    def __init__(
        self,
        describe: Callable[[], dict[str, Any]],
        instances: Callable[[], Sequence[Instance]],
        links: dict[str, str],
    ) -> None:
        self._describe = describe
        self._instances = instances
        self._links = links

    def register(self, router: APIRouter) -> None:
        router.get("/system/info", response_model=SystemAnswer)(self.info)

    async def info(self) -> SystemAnswer:
        """This machine, the version of every service, links."""
        machine = await asyncio.to_thread(self._describe)
        services = [
            VersionAnswer(
                service=one.said.service,
                instance=one.said.instance,
                version=one.said.version,
                status=one.status,
            )
            for one in self._instances()
        ]
        return SystemAnswer(**machine, version=__version__, services=services, links=self._links)


class LoadTestHandlers:
    def __init__(self, loadtests: LoadTests, runner: LoadTestRunner) -> None:
        self._loadtests = loadtests
        self._runner = runner

    def register(self, router: APIRouter) -> None:
        router.get("/loadtests", response_model=LoadTestsAnswer)(self.page)
        router.get("/loadtests/limits", response_model=LoadTestLimitsAnswer, responses=described(503))(
            self.limits
        )
        router.get("/loadtests/{run_id}", response_model=LoadTestDetailAnswer, responses=described(404, 503))(
            self.one
        )
        router.post(
            "/loadtests",
            status_code=202,
            response_model=LoadTestAcceptedAnswer,
            responses=described(403, 409, 413, 503),
        )(self.run)
        router.delete(
            "/loadtests/{run_id}",
            status_code=202,
            response_model=LoadTestAcceptedAnswer,
            responses=described(403, 404, 413, 503),
        )(self.end)

    async def end(self, run_id: Annotated[Text, Path()]) -> LoadTestAcceptedAnswer:
        """End a load test that goes on; its result is published as that of an interrupted one."""
        if not await self._runner.end(run_id):
            raise NotFound(f"no load test {run_id!r} that was asked for here goes on", field="run_id")
        return LoadTestAcceptedAnswer(run_id=run_id)

    async def run(self, body: LoadTestRequest) -> LoadTestAcceptedAnswer:
        """Run a load test against a host that the load generator's operator allows."""
        return LoadTestAcceptedAnswer(run_id=await self._runner.run(body))

    async def limits(self) -> LoadTestLimitsAnswer:
        """What the load generator's operator allows."""
        return LoadTestLimitsAnswer.model_validate(await self._runner.limits())

    async def page(
        self,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Response:
        """Load tests, newest first."""
        runs, following = self._loadtests.page(limit, cursor)
        return _json({"loadtests": runs, "next_cursor": following})

    async def one(self, run_id: Annotated[Text, Path()]) -> Response:
        """One load test: result, windows, and what the platform measured in the same minutes."""
        run = await self._loadtests.one(run_id)
        if run is None:
            raise NotFound(f"no load test {run_id!r}", field="run_id")
        return _json(run)


class RootHandlers:
    """What orchestrators ask. Neither answer depends on a server that may blink."""

    def __init__(self, ready: asyncio.Event, stopping: asyncio.Event) -> None:
        self._ready = ready
        self._stopping = stopping

    def register(self, app: FastAPI) -> None:
        app.get("/livez", response_model=StateAnswer, tags=["root"])(self.livez)
        app.get("/readyz", response_model=StateAnswer, responses=described(503), tags=["root"])(self.readyz)

    async def livez(self) -> StateAnswer:
        """The process turns."""
        return StateAnswer(status="alive")

    async def readyz(self) -> StateAnswer:
        """It may be given work: the first state is loaded, and it is not about to stop."""
        if self._stopping.is_set():
            raise Transient("stopping")
        if not self._ready.is_set():
            raise Transient("loading the first state")
        return StateAnswer(status="ready")


def _json(content: object) -> Response:
    return Response(json.dumps(content, default=_written), media_type="application/json")


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
