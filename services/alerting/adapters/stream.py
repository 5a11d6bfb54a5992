"""The metrics stream, as judging reads it: whole, for leaving something out costs the broker dearly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import Protocol

import nats.errors
import nats.js.errors

from atalaia.broker import EnduringClient
from atalaia.broker.direct import newest
from atalaia.broker.pull import Reader, Stored
from atalaia.errors import Transient
from atalaia.events.streams import METRICS_STREAM
from atalaia.events.subjects import METRICS_PREFIX, partition_in

AT_ONCE = 200
ASKED_WITHIN_S = 2.0  # whoever cannot hear the broker for so long makes room for others


class Following(Protocol):
    """What is needed of a reader to read up to somewhere."""

    @property
    def caught_up(self) -> bool: ...

    async def more(self, within_s: float) -> list[Stored]: ...


class MetricsStream:
    def __init__(self, client: EnduringClient) -> None:
        self._client = client

    async def created(self) -> tuple[datetime, int, int]:
        try:
            info = await self._client.jetstream(timeout=ASKED_WITHIN_S).stream_info(METRICS_STREAM)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"{METRICS_STREAM}: {error!r}") from error
        if info.created is None:
            raise Transient(f"{METRICS_STREAM}: the broker does not say when it was made")
        created = info.created if isinstance(info.created, datetime) else datetime.fromisoformat(info.created)
        return created.astimezone(UTC), info.state.first_seq, info.state.last_seq

    async def newest(self, partition: int, up_to: int) -> list[Stored]:
        pattern = f"{METRICS_PREFIX}.*.*.*.{partition}"
        return await newest(self._client, METRICS_STREAM, pattern, up_to=up_to)

    async def between(self, since: datetime, up_to: int, partitions: list[int]) -> list[Stored]:
        wanted = frozenset(partitions)
        reader = await Reader.open(self._client, METRICS_STREAM, from_time=since)
        try:
            return [
                stored
                async for arrived in in_turn(reader, up_to)
                for stored in arrived
                if partition_in(stored.subject) in wanted
            ]
        finally:
            await reader.close()

    async def since(self, at: datetime, up_to: int) -> AsyncGenerator[list[Stored]]:
        """Yield the messages from a time on, up to a sequence, a few hundred at a time.

        Raises:
            Transient: as `in_turn`.
        """
        reader = await Reader.open(self._client, METRICS_STREAM, from_time=at)
        try:
            async for arrived in in_turn(reader, up_to):
                for begin in range(0, len(arrived), AT_ONCE):
                    yield arrived[begin : begin + AT_ONCE]
                    await asyncio.sleep(0)  # the connection needs its turn: work on many takes seconds
        finally:
            await reader.close()

    async def read(self, from_sequence: int) -> Reader:
        return await Reader.open(self._client, METRICS_STREAM, from_sequence=max(1, from_sequence))


async def in_turn(reader: Following, up_to: int, *, patience: int = 10) -> AsyncIterator[list[Stored]]:
    """Yield everything up to a sequence, or to the end of what the reader's consumer selects, as it arrives.

    Raises:
        Transient: nothing came for `patience` seconds, though there is more: half of it is not all.
    """
    in_vain = 0
    while in_vain < patience:
        is_all = reader.caught_up  # asked first: then what is there to take is all
        arrived = await reader.more(0.0 if is_all else 1.0)
        yield [stored for stored in arrived if stored.sequence <= up_to]
        if is_all or (arrived and arrived[-1].sequence >= up_to):
            return
        in_vain = 0 if arrived else in_vain + 1
    raise Transient(f"{METRICS_STREAM}: nothing more came for {patience} s")
