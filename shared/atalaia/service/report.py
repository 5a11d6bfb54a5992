"""A service's own gauges and counters, published like any other source's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from nats.aio.client import Client

from atalaia import __version__
from atalaia.broker.metrics import MetricsPublisher, OneByOne
from atalaia.clock import Clock
from atalaia.errors import Invalid, Transient
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.service.lifecycle import Lifecycle

KIND = "service"
ANSWERED_WITHIN_S = 1.0


class Meter(Protocol):
    """A part that counts for itself, such as a database pool: {series: value}, in base units."""

    def gauges(self) -> dict[str, float]: ...

    def counters(self) -> dict[str, float]: ...

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return what was recorded since the last call."""


class Instruments:
    """Counters that only grow, and what is asked for when a report is due."""

    def __init__(self) -> None:
        self.counters: dict[str, float] = {}
        self._gauges: list[Callable[[], dict[str, float]]] = []
        self._meters: list[Meter] = []

    def add(self, series: str, by: float = 1.0) -> None:
        self.counters[series] = self.counters.get(series, 0.0) + by

    def observe(self, gauges: Callable[[], dict[str, float]]) -> None:
        """Ask `gauges` for {series: value} at each report."""
        self._gauges.append(gauges)

    def watch(self, meter: Meter) -> None:
        """Ask `meter` for all it has at each report."""
        self._meters.append(meter)

    def gauges(self) -> dict[str, float]:
        asked = [*self._gauges, *(meter.gauges for meter in self._meters)]
        return {series: value for ask in asked for series, value in ask().items()}

    def all_counters(self) -> dict[str, float]:
        watched = (meter.counters() for meter in self._meters)
        return {series: value for counted in (self.counters, *watched) for series, value in counted.items()}

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return what was recorded since the last call; what nothing was recorded in is left out."""
        asked = (meter.histograms() for meter in self._meters)
        return {series: delta for found in asked for series, delta in found.items() if delta.count}


async def report(
    client: Client,
    lifecycle: Lifecycle,
    clock: Clock,
    instruments: Instruments,
    *,
    service: str,
    instance: str,
    interval_s: float,
) -> None:
    """Publish the instruments every interval until the service stops, then say that this source leaves.

    What the histograms of an interval hold is told once: a report that the broker did not acknowledge
    goes again before the next is made. A broker that is away, or slow at the end, holds nobody up.
    """
    outgoing = OneByOne(MetricsPublisher(client, within_s=ANSWERED_WITHIN_S))
    start = clock.now()

    def next_batch() -> MetricsBatch:
        return _batch(instruments, service, instance, start, clock.now(), interval_s)

    while not lifecycle.stopping.is_set():
        if client.is_connected:
            await _publish(outgoing, next_batch)
        try:
            async with asyncio.timeout(interval_s):
                await lifecycle.stopping.wait()
        except TimeoutError:
            continue
    if client.is_connected:
        await _publish(outgoing, lambda: next_batch().model_copy(update={"final": True}))


async def _publish(outgoing: OneByOne, next_batch: Callable[[], MetricsBatch]) -> None:
    try:
        await outgoing.settle()
        outgoing.put(next_batch())
        await outgoing.settle()
    except (Transient, Invalid):
        return


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
        counters=instruments.all_counters(),
        histograms=instruments.histograms(),
        start=start,
    )
