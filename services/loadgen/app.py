"""The load generator as a service, wired."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from atalaia import broker
from atalaia import log as _log
from atalaia.broker.safe import faststream_broker
from atalaia.clock import SystemClock
from atalaia.service import Instruments, Lifecycle, announce, report
from services.loadgen.adapters.fleet import NatsFleet
from services.loadgen.adapters.names import new_run_id
from services.loadgen.adapters.publisher import Publisher
from services.loadgen.handlers.requests import Requests
from services.loadgen.settings import LoadgenSettings

_log_ = _log.get("loadgen")
HEALTH = "/api/v1/monitoring/health"
LAST_WORDS_S = 2.0


async def serve(settings: LoadgenSettings, lifecycle: Lifecycle) -> None:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        client = await lifecycle.unless_stopping(broker.connect(settings.nats_url, name="loadgen"))
        if client is None:
            return
        stack.push_async_callback(broker.close, client)
        publisher = Publisher(clock, lambda what: _log_.warning("run_not_published", reason=what))
        fleet = NatsFleet(client, settings.instance, settings.limits)
        hub = faststream_broker(settings.nats_url, name="loadgen-requests")

        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(publisher.run(client))
            group.create_task(
                announce(client, lifecycle, clock, service="loadgen", instance=settings.instance)
            )
            group.create_task(
                report(
                    client,
                    lifecycle,
                    clock,
                    Instruments(),
                    service="loadgen",
                    instance=settings.instance,
                    interval_s=settings.self_metrics_interval_s,
                )
            )
            async with asyncio.TaskGroup() as runs:
                requests = Requests(
                    fleet,
                    lambda: [publisher],
                    clock,
                    settings.limits,
                    f"{settings.gateway_url}{HEALTH}",
                    new_run_id,
                    publisher.failed,
                    runs,
                )
                requests.register(hub)
                await fleet.listen()
                await lifecycle.unless_stopping(hub.start())
                stack.push_async_callback(hub.stop)
                if not lifecycle.stopping.is_set():
                    lifecycle.ready.set()
                await lifecycle.stopping.wait()
                requests.stop()
                await fleet.close()
            await publisher.drain(LAST_WORDS_S)  # what ended just now has its last words
            publishing.cancel()
