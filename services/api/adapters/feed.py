"""The metrics stream, followed for ever: newest messages, sums of histograms, hot histories."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import nats.errors
import nats.js.errors

from atalaia import log as _log
from atalaia.broker import EnduringClient
from atalaia.broker.pull import Reader, Stored
from atalaia.clock import Clock
from atalaia.errors import Transient
from atalaia.events.metrics import Measurements
from atalaia.events.streams import METRICS_STREAM
from atalaia.resilience.backoff import delay_s
from atalaia.stats import Histogram
from services.api.adapters.histories import StreamHistories, whole_subject
from services.api.domain.newest import Newest, Subject
from services.api.domain.openmetrics import Accumulated
from services.api.domain.tails import Tails

_log_ = _log.get("feed")
LOOK_EVERY_S = 0.25
FORGET_EVERY_S = 60.0
AT_ONCE = 500  # messages taken before others get a turn


class Feed:
    """The one owner of `newest` and `sums`. `loaded` is set once everything stored has been seen."""

    def __init__(
        self, client: EnduringClient, newest: Newest, histories: StreamHistories, tails: Tails, clock: Clock
    ) -> None:
        self._client = client
        self._newest = newest
        self._histories = histories
        self._tails = tails
        self._clock = clock
        self._sums: dict[str, dict[str, Accumulated]] = {}
        self._created: datetime | None = None
        self._sequence = 0
        self._hidden: set[str] = set()
        self._changed: set[str] = set()
        self.loaded = asyncio.Event()
        self.keep: frozenset[tuple[str, str]] = frozenset()

    async def run(self) -> None:
        """Follow the stream; start over where it ended when the broker or the consumer goes away."""
        failures = 0
        while True:
            try:
                reader = await self._open()
                failures = 0
                await self._follow(reader)
            except Transient as error:
                failures += 1
                if failures == 3:
                    _log_.warning("metrics_not_followed", error=str(error))
                await asyncio.sleep(delay_s(failures, first_s=0.1, most_s=2.0))

    def sums(self, subject: Subject) -> Iterator[tuple[str, Accumulated]]:
        """Yield (series, sums) of a subject's histograms."""
        yield from self._sums.get(subject.name, {}).items()

    def news(self) -> set[str]:
        """Return the names of the subjects with a newer message since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    @property
    def sequence(self) -> int:
        """Return the stream's sequence until where everything was taken."""
        return self._sequence

    @property
    def stream(self) -> str:
        """Return what tells this stream from another of the same name; "0" before it was found."""
        return f"{int(self._created.timestamp()):x}" if self._created else "0"

    async def _open(self) -> Reader:
        try:
            info = await self._client.jetstream(timeout=5).stream_info(METRICS_STREAM)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"{METRICS_STREAM}: {error!r}") from error
        created = info.created if isinstance(info.created, datetime) else None
        if created != self._created or info.state.last_seq < self._sequence:
            self._tails.clear()
            self._histories.clear()  # another stream: its sequences say nothing about ours
            self._created, self._sequence = created, 0
        if self._sequence == 0:
            return await Reader.open(self._client, METRICS_STREAM, newest_of_each=True)
        return await Reader.open(self._client, METRICS_STREAM, from_sequence=self._sequence + 1)

    async def _follow(self, reader: Reader) -> None:
        heard_s = forgot_s = self._clock.monotonic_s()
        try:
            while True:
                arrived = await reader.more(LOOK_EVERY_S)
                now_s, caught_up = self._clock.monotonic_s(), reader.caught_up
                if caught_up:
                    self._newest.listened(now_s - heard_s)
                heard_s = now_s
                for first in range(0, len(arrived), AT_ONCE):
                    if first:  # after the last of them, `more` waits
                        await asyncio.sleep(0)
                    self._take_all(arrived[first : first + AT_ONCE])
                if caught_up:
                    await self._look_back()
                    self.loaded.set()
                if now_s - forgot_s > FORGET_EVERY_S:
                    forgot_s = now_s
                    self._newest.forget(self._clock.now(), self.keep)
                    self._sums = {name: sums for name, sums in self._sums.items() if self._newest.get(name)}
        finally:
            await reader.close()

    async def _look_back(self) -> None:
        """Find the newest valid message where the last one stored was not."""
        while self._hidden:
            subject = next(iter(self._hidden))
            async for arrived in whole_subject(self._client, subject):
                now = self._clock.now()
                for one in arrived:
                    self._newest.take(one.subject, one.body, one.stored_at, age_s=_age_s(one, now))
            self._hidden.discard(subject)

    def _take_all(self, arrived: list[Stored]) -> None:
        now = self._clock.now()
        for stored in arrived:
            self._sequence = stored.sequence
            age_s = _age_s(stored, now)
            batch = self._newest.take(stored.subject, stored.body, stored.stored_at, age_s=age_s)
            self._histories.hear(stored)
            if batch is not None:
                self._tell(stored, batch)
            if batch is None and self._newest.get(stored.subject) is None and not self.loaded.is_set():
                self._hidden.add(stored.subject)
            elif batch is not None and batch.histograms:
                self._accumulate(stored.subject, batch)

    def _tell(self, stored: Stored, batch: Measurements) -> None:
        subject = self._newest.get(stored.subject)
        if subject is not None:
            subject.sequence = stored.sequence
        self._tails.hear(stored.subject, batch, stored.sequence)
        self._changed.add(stored.subject)

    def _accumulate(self, subject: str, batch: Measurements) -> None:
        sums = self._sums.setdefault(subject, {})
        for series, delta in batch.histograms.items():
            known = sums.get(series)
            if known is None:
                known = sums[series] = Accumulated(_began(batch))
            known.histogram.merge(Histogram.from_dense(delta))


def _age_s(stored: Stored, now: datetime) -> float:
    return max(0.0, (now - stored.stored_at).total_seconds())


def _began(batch: Measurements) -> datetime:
    return (batch.at - timedelta(seconds=batch.interval_s)).astimezone(UTC)
