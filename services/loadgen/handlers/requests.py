"""Runs that are asked for over the broker: one at a time on each instance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime

from faststream.nats import NatsBroker, NatsMessage
from pydantic import ValidationError

from atalaia import log as _log
from atalaia.clock import Clock
from atalaia.errors import AtalaiaError, Conflict, Forbidden, Invalid, Transient
from atalaia.events.loadtests import LoadTestRequest
from atalaia.events.subjects import rpc_subject
from services.loadgen.domain.admission import Limits, plan_of
from services.loadgen.domain.plan import Plan
from services.loadgen.domain.slo import Slo
from services.loadgen.domain.slo import parse as parse_slo
from services.loadgen.handlers.running import Running
from services.loadgen.ports import Fleet, Listener

_log_ = _log.get("loadgen")
BEGIN_TOGETHER_IN_NS = 300_000_000


class Requests:
    """Takes requests, says yes or no at once, runs in the background of `group`."""

    def __init__(
        self,
        fleet: Fleet,
        listeners: Callable[[], Sequence[Listener]],
        clock: Clock,
        limits: Limits,
        default_url: str,
        new_run_id: Callable[[datetime], str],
        tell_failed: Callable[[Plan, str], None],
        group: asyncio.TaskGroup,
    ) -> None:
        self._fleet = fleet
        self._listeners = listeners
        self._clock = clock
        self._limits = limits
        self._default_url = default_url
        self._new_run_id = new_run_id
        self._tell_failed = tell_failed
        self._group = group
        self._running: Running | None = None
        self._cleared: asyncio.Event | None = None
        self._stopping = False

    def register(self, hub: NatsBroker) -> None:
        """Answer on the broker; one instance of several takes each request."""
        hub.subscriber(rpc_subject("loadgen", "run"), queue="loadgen")(self.run)
        hub.subscriber(rpc_subject("loadgen", "limits"), queue="loadgen")(self.limits)

    async def limits(self, message: NatsMessage) -> str:
        """Return what may be asked for here."""
        limits = self._limits
        return json.dumps(
            {
                "hosts": limits.hosts,
                "default_url": self._default_url,
                "max_rps": limits.most_rps,
                "max_users": limits.most_users,
                "max_duration_s": limits.longest_s,
            }
        )

    async def run(self, message: NatsMessage) -> str:
        """Return `{"ok": true, "run_id"}` once it is known to run, or `{"error", "detail", "field"}`."""
        try:
            request = LoadTestRequest.model_validate_json(message.body)
            if self._cleared is not None:  # the last run was told as finished: it is not to be in the way
                await self._cleared.wait()
            run_id = self._begin(request)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return _refusal("invalid", str(first["msg"]), ".".join(str(part) for part in first["loc"]))
        except Forbidden as error:
            return _refusal("forbidden", str(error), error.field)
        except Conflict as error:
            return _refusal("conflict", str(error))
        except Invalid as error:
            return _refusal("invalid", str(error), error.field)
        return json.dumps({"ok": True, "run_id": run_id})

    def stop(self) -> None:
        """End what runs; take nothing more."""
        self._stopping = True
        if self._running is not None:
            self._running.stopping.set()

    def _begin(self, request: LoadTestRequest) -> str:
        slos = [parse_slo(text) for text in request.slo]
        run_id = self._new_run_id(self._clock.now())
        plan = plan_of(request, run_id, self._default_url, self._limits)
        if self._stopping or not self._fleet.take():
            raise Conflict("this instance is busy with another run")
        self._group.create_task(self._run(plan, slos, request.instances))
        return run_id

    async def _run(self, plan: Plan, slos: Sequence[Slo], instances: int) -> None:
        try:
            try:
                await self._run_on(instances, plan, slos)
            except Transient as error:
                if instances == 1:
                    raise
                _log_.warning("run_not_shared", run_id=plan.run_id, error=str(error))
                await self._run_on(1, plan, slos)
        except AtalaiaError as error:
            _log_.error("run_failed", run_id=plan.run_id, error=str(error))
            self._tell_failed(plan, str(error))
        finally:
            self._running = None
            self._fleet.give_back()
            if self._cleared is not None:
                self._cleared.set()
                self._cleared = None

    async def _run_on(self, instances: int, plan: Plan, slos: Sequence[Slo]) -> None:
        stopping = asyncio.Event()
        async with self._fleet.shares(instances) as shares, self._fleet.endable(plan.run_id, stopping.set):
            self._running = Running(
                plan,
                shares,
                self._listeners(),
                self._clock,
                slos=slos,
                begin_in_ns=BEGIN_TOGETHER_IN_NS,
                stopping=stopping,
            )
            if not self._stopping:
                await self._running.run()
                self._cleared = asyncio.Event()


def _refusal(error: str, detail: str, field: str = "") -> str:
    return json.dumps({"error": error, "detail": detail, "field": field})
