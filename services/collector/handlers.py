"""Measuring and sending: two loops with a buffer between them."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psutil

from atalaia import __version__
from atalaia import log as _log
from atalaia.clock import Clock
from atalaia.errors import Invalid, Transient
from atalaia.events.metrics import MetricsBatch
from atalaia.events.order import next_at
from atalaia.resilience.backoff import delay_s
from atalaia.service import Instruments
from services.collector.domain.buffer import Buffer
from services.collector.domain.reading import Reading
from services.collector.domain.schedule import Round, next_due_s
from services.collector.ports import Input, Publisher

_log_ = _log.get("collector")
FIRST_AFTER_S = 0.5  # a share of time needs two readings


class Collector:
    """Measures in threads, off the loop. An input that fails or is slow costs only itself."""

    def __init__(
        self,
        *,
        source: str,
        inputs: Mapping[str, Input],
        clock: Clock,
        buffer_size: int,
        instruments: Instruments,
    ) -> None:
        self._source = source
        self._inputs = inputs
        self._clock = clock
        self.buffer: Buffer[MetricsBatch] = Buffer(buffer_size)
        self._instruments = instruments
        self.trouble = ""
        self._filled = asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=len(inputs), thread_name_prefix="input")
        self._busy: dict[str, asyncio.Future[Reading]] = {}
        self._failing: set[str] = set()
        self._start = datetime.fromtimestamp(psutil.boot_time(), UTC)
        self._newest_at: dict[str, datetime] = {}
        self._seq: dict[str, int] = {}
        instruments.observe(lambda: {"atalaia.collector.buffered": float(len(self.buffer))})

    async def measure(self, round: Round) -> None:
        """Measure a round's inputs for ever, on a grid of its interval."""
        loop = asyncio.get_running_loop()
        began_s = self._clock.monotonic_s()
        due_s = began_s + min(FIRST_AFTER_S, round.interval_s)
        while True:
            await asyncio.sleep(max(0.0, due_s - self._clock.monotonic_s()))
            started_s = loop.time()
            reading = await self._read(round)
            reading.gauges["atalaia.collector.duration"] = loop.time() - started_s
            reading.counters["atalaia.collector.batches_dropped"] = float(self.buffer.dropped)
            self._put(round, reading)
            due_s = next_due_s(began_s, round.interval_s, self._clock.monotonic_s())

    def leave(self, rounds: list[Round]) -> None:
        """Say in each kind that this source is gone."""
        for round in rounds:
            self._put(round, Reading(), final=True)

    async def send(self, publisher: Publisher) -> None:
        """Send what is held, oldest first, for ever."""
        failures = 0
        while True:
            batch = self.buffer.first()
            if batch is None:
                self._filled.clear()
                await self._filled.wait()
                continue
            try:
                await publisher.publish(batch)
            except Invalid as error:
                _log_.error("batch_refused", kind=batch.kind, error=str(error))
                self._instruments.add("atalaia.collector.batches_refused")
                self.buffer.remove(batch)
            except Transient as error:
                failures += 1
                if failures == 1:
                    _log_.warning("holding_batches", error=str(error))
                self.trouble = f"holds {len(self.buffer)} batches that the broker does not take: {error}"
                await asyncio.sleep(delay_s(failures, first_s=0.1, most_s=1.0))
            else:
                if failures:
                    _log_.info("sending_again", held=len(self.buffer))
                failures, self.trouble = 0, ""
                self.buffer.remove(batch)

    async def drain(self, publisher: Publisher) -> None:
        """Send what is held, until nothing is."""
        while (batch := self.buffer.first()) is not None:
            await publisher.publish(batch)
            self.buffer.remove(batch)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, round: Round) -> Reading:
        whole = Reading()
        for name in round.inputs:
            if name not in self._busy:
                loop = asyncio.get_running_loop()
                self._busy[name] = loop.run_in_executor(self._threads, self._inputs[name].read)
        mine = {name: self._busy[name] for name in round.inputs}
        await asyncio.wait(mine.values(), timeout=round.interval_s)
        for name, future in mine.items():
            if future.done():
                del self._busy[name]
                self._take(whole, name, future)
            else:
                self._failed(name, "slow")
        return whole

    def _take(self, whole: Reading, name: str, future: asyncio.Future[Reading]) -> None:
        error = future.exception()
        if error is not None:
            self._failed(name, repr(error))
            return
        whole.add(future.result())
        if name in self._failing:
            self._failing.discard(name)
            _log_.info("input_works_again", input=name)

    def _failed(self, name: str, reason: str) -> None:
        self._instruments.add(f'atalaia.collector.input_failures{{input="{name}"}}')
        if name not in self._failing:
            self._failing.add(name)
            _log_.warning("input_failed", input=name, reason=reason)

    def _put(self, round: Round, reading: Reading, *, final: bool = False) -> None:
        self.buffer.add(
            MetricsBatch(
                source=self._source,
                kind=round.kind,
                group=self._source,
                at=self._next_at(round.kind),
                interval_s=round.interval_s,
                resource={
                    "host.name": self._source,
                    "os.type": platform.system().lower(),
                    "service.name": "atalaia-collector",
                    "service.version": __version__,
                },
                gauges=reading.gauges,
                counters=reading.counters,
                start=self._start,
                seq=self._next_seq(round.kind),
                final=final,
            )
        )
        self._filled.set()

    def _next_at(self, kind: str) -> datetime:
        at = self._newest_at[kind] = next_at(self._clock.now(), self._newest_at.get(kind))
        return at

    def _next_seq(self, kind: str) -> int:
        self._seq[kind] = self._seq.get(kind, 0) + 1
        return self._seq[kind]
