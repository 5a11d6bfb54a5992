"""Publishing for as long as the application lives: never in its way, never twice, nothing forgotten.

What is not sent stays in the recorder and goes with the next message. A message whose
fate is unknown is kept as it is and sent again under its own id, which readers drop if
they have it; only after it is stored is the next one made. So counts are exact, and
memory does not grow while the broker is away.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from datetime import datetime
from itertools import islice

from atalaia import broker
from atalaia import log as _log
from atalaia.asgi.contents import Contents, Reported
from atalaia.broker.connection import EnduringClient
from atalaia.broker.metrics import MetricsPublisher, OneByOne
from atalaia.errors import AtalaiaError, Invalid, Transient
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.events.order import next_at
from atalaia.resilience.ending import bounded, ended

_log_ = _log.get("asgi")
KIND = "app"
FIRST_AFTER_S = 1.0
FLUSH_WITHIN_S = 1.0
ENDED_WITHIN_S = 0.5  # of tasks that are told to: at once but for a cancellation that is lost
RETRY_EVERY_S = 1.0
AT_ONCE = 20  # histograms converted before requests get a turn


class Reporter:
    """One application's reports: `start` and `stop` with each of its lives, in the process it lives in."""

    def __init__(self, reported: Reported) -> None:
        self._reported = reported
        self._life: _Life | None = None

    def start(self) -> None:
        """Begin to report. The process may have been forked until now."""
        if self._life is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            _log_.warning("not_reporting", reason="the event loop is not asyncio's")
            return
        self._life = _Life(self._reported, loop)

    async def stop(self) -> None:
        """Send what is left, within a second; at once where the broker was never there."""
        life, self._life = self._life, None
        if life is not None:
            await life.end()


class _Life:
    """One source, from its first message to the one that says it leaves."""

    def __init__(self, reported: Reported, loop: asyncio.AbstractEventLoop) -> None:
        self._reported = reported
        self._settings, self._recorder = reported.settings, reported.recorder
        self._service, self._clock = reported.service, reported.clock
        self._began_at = self._clock.now()
        # a pid comes back, under `--reload` or in a container at once; the rest does not
        self._source = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._contents = Contents(reported, loop, self._source)
        self._client = EnduringClient()
        self._outgoing = OneByOne(MetricsPublisher(self._client))
        self._newest_at: datetime | None = None
        self._seq = 0
        self._failing = False
        self._connecting = loop.create_task(
            broker.connect(
                self._settings.nats_url, name=self._service, client=self._client, retry_every_s=RETRY_EVERY_S
            )
        )
        self._reporting = loop.create_task(self._report())
        for task in (self._connecting, self._reporting):
            task.add_done_callback(_say_why)

    async def end(self) -> None:
        self._contents.close()
        try:
            if not await ended({self._reporting}, within_s=ENDED_WITHIN_S):
                raise Transient("a report is under way and does not end")
            if not await bounded(self._flush(), within_s=FLUSH_WITHIN_S):
                raise Transient("the broker was slow")
        except AtalaiaError as error:
            if self._client.is_connected or self._seq:  # else: the broker's absence was said before
                _log_.warning("last_report_lost", error=str(error))
        await ended({self._connecting}, within_s=ENDED_WITHIN_S)
        await broker.close(self._client, within_s=0.2)

    async def _connected(self) -> None:
        if not self._connecting.done():
            if self._client.last_error is not None:
                raise Transient("the broker was never there")
            await asyncio.wait({self._connecting})
        if self._connecting.exception() is not None:
            raise Transient("the broker refuses this connection")
        while not self._client.is_connected:
            await asyncio.sleep(0.05)

    async def _flush(self) -> None:
        await self._connected()
        await self._settle_at_last()
        await self._take(final=True)
        await self._settle_at_last()

    async def _settle_at_last(self) -> None:
        while True:
            try:
                return await self._settle()
            except Transient:
                await asyncio.sleep(0.05)

    async def _report(self) -> None:
        interval_s = self._settings.app_interval_s
        due_s = self._clock.monotonic_s() + min(FIRST_AFTER_S, interval_s)
        while True:
            await asyncio.sleep(max(0.0, due_s - self._clock.monotonic_s()))
            due_s = max(due_s, self._clock.monotonic_s() - interval_s) + interval_s
            if not self._client.is_connected:
                self._contents.merged += 1
                continue
            try:
                await self._settle()
                await self._take()
                await self._settle()
            except AtalaiaError as error:
                self._contents.merged += 1
                if not self._failing:
                    self._failing = True
                    _log_.warning("reports_held", error=str(error))
            else:
                self._failing = False

    async def _settle(self) -> None:
        """Send the message at hand, again if need be, until it is stored or will never be.

        Raises:
            Transient: not yet.
        """
        try:
            await self._outgoing.settle()
        except Invalid as error:
            self._contents.refused += 1
            if self._contents.refused == 1:
                _log_.error("report_refused", error=str(error))

    async def _take(self, *, final: bool = False) -> None:
        """Make the next message. Cut off in the middle it is made all the same: taken is taken."""
        converted = self._contents.histograms()
        taken = iter(self._recorder.take().items())
        try:
            while some := list(islice(taken, AT_ONCE)):
                converted.update((series, HistogramDelta.of(one)) for series, one in some)
                await asyncio.sleep(0)
        finally:
            converted.update((series, HistogramDelta.of(one)) for series, one in taken)
            self._outgoing.put(self._batch(converted, final=final))

    def _batch(self, histograms: dict[str, HistogramDelta], *, final: bool) -> MetricsBatch:
        self._newest_at = next_at(self._clock.now(), self._newest_at)
        self._seq += 1
        return MetricsBatch(
            source=self._source,
            kind=KIND,
            group=self._service,
            at=self._newest_at,
            interval_s=self._settings.app_interval_s,
            resource=self._contents.resource,
            gauges=self._contents.gauges(),
            counters=self._contents.counters(),
            start=self._began_at,
            histograms=histograms,
            seq=self._seq,
            final=final,
        )


def _say_why(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log_.error("reporting_ended", error=repr(error))
