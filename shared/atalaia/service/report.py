"""A service's own gauges and counters, published like any other source's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from atalaia import __version__
from atalaia.clock import Clock
from atalaia.events.headers import headers
from atalaia.events.metrics import MetricsBatch
from atalaia.events.subjects import metrics_subject
from atalaia.service.run import Lifecycle

KIND = "service"


class Instruments:
    """Counters that only grow, and gauges that are asked for when a report is due."""

    def __init__(self) -> None:
        self.counters: dict[str, float] = {}
        self._gauges: list[Callable[[], dict[str, float]]] = []

    def add(self, series: str, by: float = 1.0) -> None:
        self.counters[series] = self.counters.get(series, 0.0) + by

    def observe(self, gauges: Callable[[], dict[str, float]]) -> None:
        """Ask `gauges` for {series: value} at each report."""
        self._gauges.append(gauges)

    def gauges(self) -> dict[str, float]:
        return {series: value for ask in self._gauges for series, value in ask().items()}


async def report(
    js: JetStreamContext,
    lifecycle: Lifecycle,
    clock: Clock,
    instruments: Instruments,
    *,
    service: str,
    instance: str,
    interval_s: float,
) -> None:
    """Publish the instruments every interval until the service stops, then say that this source leaves.

    A report that the broker does not take is dropped: the next one says more.
    """
    start = clock.now()
    while not lifecycle.stopping.is_set():
        await _publish(js, _batch(instruments, service, instance, start, clock.now(), interval_s))
        try:
            async with asyncio.timeout(interval_s):
                await lifecycle.stopping.wait()
        except TimeoutError:
            continue
    last = _batch(instruments, service, instance, start, clock.now(), interval_s)
    await _publish(js, last.model_copy(update={"final": True}))


def _batch(
    instruments: Instruments, service: str, instance: str, start: datetime, at: datetime, interval_s: float
) -> MetricsBatch:
    return MetricsBatch(
        source=f"{service}-{instance}",
        kind=KIND,
        group=service,
        at=at,
        interval_s=interval_s,
        resource={
            "service.name": f"atalaia-{service}",
            "service.instance.id": instance,
            "service.version": __version__,
            "host.name": socket.gethostname(),
        },
        gauges=instruments.gauges(),
        counters=dict(instruments.counters),
        start=start,
    )


async def _publish(js: JetStreamContext, batch: MetricsBatch) -> None:
    subject = metrics_subject(batch.kind, batch.group, batch.source)
    try:
        await js.publish(subject, batch.body(), timeout=1, headers=_headers(batch))
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
        return


def _headers(batch: MetricsBatch) -> dict[str, str]:
    return headers(message_id=batch.message_id, type="metrics", source=batch.source, at=batch.at)
