"""The load generator as a service: announced, idle."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from atalaia import broker
from atalaia.clock import SystemClock
from atalaia.service import Instruments, Lifecycle, announce, report
from services.loadgen.settings import LoadgenSettings


async def serve(settings: LoadgenSettings, lifecycle: Lifecycle) -> None:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        client = await lifecycle.unless_stopping(broker.connect(settings.nats_url, name="loadgen"))
        if client is None:
            return
        stack.push_async_callback(broker.close, client)
        lifecycle.ready.set()
        async with asyncio.TaskGroup() as group:
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
