"""The collector, wired."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from atalaia import broker
from atalaia import log as _log
from atalaia.broker.metrics import MetricsPublisher
from atalaia.clock import SystemClock
from atalaia.errors import AtalaiaError
from atalaia.service import Instruments, Lifecycle, announce, report
from services.collector.adapters.host import Host
from services.collector.adapters.inputs import all_inputs
from services.collector.domain.schedule import rounds
from services.collector.handlers import Collector
from services.collector.settings import CollectorSettings

_log_ = _log.get("collector")
LAST_WORDS_WITHIN_S = 1.5
PUBLISH_WITHIN_S = 2.0  # a broker that takes longer is in trouble, and is said to be


async def serve(settings: CollectorSettings, lifecycle: Lifecycle) -> None:
    host = Host(settings.collector_proc, settings.collector_sys, settings.collector_root)
    clock, instruments = SystemClock(), Instruments()
    collector = Collector(
        source=settings.collector_source,
        inputs=all_inputs(host),
        clock=clock,
        buffer_size=settings.collector_buffer,
        instruments=instruments,
    )
    chosen = rounds(settings.intervals_s, settings.collector_interval_s)
    async with AsyncExitStack() as stack:
        stack.callback(collector.close)
        async with asyncio.TaskGroup() as group:
            # measuring starts before the broker is there: that is what the buffer is for
            tasks = [group.create_task(collector.measure(round)) for round in chosen]
            tasks.append(group.create_task(_connected(settings, lifecycle, collector, instruments, stack)))
            await lifecycle.stopping.wait()
            for task in tasks[:-1]:
                task.cancel()
            if settings.collector_leave:
                collector.leave(chosen)


async def _connected(
    settings: CollectorSettings,
    lifecycle: Lifecycle,
    collector: Collector,
    instruments: Instruments,
    stack: AsyncExitStack,
) -> None:
    client = await lifecycle.unless_stopping(broker.connect(settings.nats_url, name="collector"))
    if client is None:
        return
    stack.push_async_callback(broker.close, client)
    publisher = MetricsPublisher(client, within_s=PUBLISH_WITHIN_S)
    clock = SystemClock()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(collector.send(publisher))
        telling = group.create_task(_tell(lifecycle, collector))
        lifecycle.ready.set()
        group.create_task(announce(client, lifecycle, clock, service="collector", instance=settings.instance))
        group.create_task(
            report(
                client,
                lifecycle,
                clock,
                instruments,
                service="collector",
                instance=settings.instance,
                interval_s=settings.self_metrics_interval_s,
            )
        )
        await lifecycle.stopping.wait()
        sending.cancel()
        telling.cancel()
    try:
        async with asyncio.timeout(LAST_WORDS_WITHIN_S):
            await collector.drain(publisher)
    except (AtalaiaError, TimeoutError):
        _log_.warning("batches_lost_at_stop", held=len(collector.buffer))


async def _tell(lifecycle: Lifecycle, collector: Collector) -> None:
    while True:
        lifecycle.detail = collector.trouble
        await asyncio.sleep(0.5)
