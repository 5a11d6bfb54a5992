"""The three places where the platform tells what happened, and the stream that it was told by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

import asyncpg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atalaia.broker.direct import newest
from atalaia.events.streams import ALERTS_STREAM, METRICS_STREAM
from tests.system.storm.books import Entry, Sample, Told

SOURCES = "atalaia.metrics.storm.*.*.*"
PAGE = 100
LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


class Place(Protocol):
    """Where a platform runs that is told of: on a stage, in containers."""

    @property
    def database_url(self) -> str: ...

    def nats(self) -> AbstractAsyncContextManager[Client]: ...

    async def ask(self, path: str) -> tuple[int, dict[str, str], Any]:
        """Return (status, headers, JSON) of the gateway's answer."""


class Ledger:
    """Reads both streams; what was read stays, though the stream be deleted and made anew.

    Keeps a connection to Postgres, where every new one costs a process, until it is closed.
    """

    def __init__(self, stage: Place) -> None:
        self._stage = stage
        self._read_up_to: dict[str, tuple[datetime, int]] = {}
        self.samples: list[Sample] = []
        self.held: dict[str, int] = {}
        self._announced: dict[str, Told] = {}
        self.repeats = 0
        self._streams_made = 0
        self._connection: asyncpg.Connection | None = None

    @property
    def announced(self) -> list[Told]:
        """Return the transitions on the stream, each message id once, where it came first."""
        return list(self._announced.values())

    async def read(self) -> None:
        """Read what both streams hold and was not read yet."""
        async for message in self._new(METRICS_STREAM, SOURCES):
            self._keep_sample(message)
        async for message in self._new(ALERTS_STREAM, "atalaia.alerts.*.>"):
            event = json.loads(message.data)
            message_id = (message.headers or {})["Nats-Msg-Id"]
            self.repeats += message_id in self._announced
            self._announced.setdefault(message_id, Told(event["alert_id"], entry_of(event)))

    def _keep_sample(self, message: Msg) -> None:
        body = json.loads(message.data)
        stored_at = message.metadata.timestamp
        at, value = datetime.fromisoformat(body["at"]), body["gauges"]["storm.value"]
        self.samples.append(Sample(body["source"], at, stored_at, value, self._streams_made))
        message_id = (message.headers or {}).get("Nats-Msg-Id")
        if message_id is not None:
            self.held[message_id] = self.held.get(message_id, 0) + 1

    async def _new(self, stream: str, subject: str) -> AsyncIterator[Msg]:
        async with self._stage.nats() as client:
            info = await client.jsm().stream_info(stream)
            created = info.created
            assert isinstance(created, datetime)
            before, sequence = self._read_up_to.get(stream, (created, 0))
            start = sequence + 1 if before == created else 1
            self._streams_made += stream == METRICS_STREAM and before != created
            self._read_up_to[stream] = (created, info.state.last_seq)
            if info.state.last_seq < start:
                return
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start, ack_policy=AckPolicy.NONE
            )
            subscription = await client.jetstream().pull_subscribe(subject, stream=stream, config=config)
            left = (await subscription.consumer_info()).num_pending or 0
            last = info.state.last_seq
            while left:
                for message in await subscription.fetch(min(left, 1000), timeout=10):
                    left = message.metadata.num_pending
                    if message.metadata.sequence.stream <= last:
                        yield message
                    else:
                        left = 0
                        break

    async def stored(self) -> list[Told]:
        """Return the transitions in Postgres, in order for each alert."""
        rows = await self.rows("SELECT event FROM alert_transitions ORDER BY alert_id, sequence")
        events = [json.loads(row["event"]) for row in rows]
        return [Told(event["alert_id"], entry_of(event)) for event in events]

    async def undelivered(self) -> int:
        return len(await self.rows("SELECT id FROM outbox"))

    async def newest(self) -> dict[int, int]:
        """Return the last sequence of each partition: a replica's position is about its own."""
        async with self._stage.nats() as client:
            found = await newest(client, METRICS_STREAM, "atalaia.metrics.>")
        last: dict[int, int] = {}
        for stored in found:
            partition = int(stored.subject.rpartition(".")[2])
            last[partition] = max(last.get(partition, 0), stored.sequence)
        return last

    async def judged(self, last: dict[int, int]) -> bool:
        """Return whether every partition was judged up to there."""
        rows = await self.rows("SELECT partition, position FROM partitions")
        return all(row["position"] >= last.get(row["partition"], 0) for row in rows)

    async def all_judged(self, *, within_s: float = 30.0) -> None:
        """Wait until what the stream holds is judged, committed and announced."""
        async with asyncio.timeout(within_s):
            last = await self.newest()
            while not await self.judged(last) or await self.undelivered():
                await asyncio.sleep(0.1)

    async def rows(self, statement: str) -> list[asyncpg.Record]:
        """Return what a statement finds. That the connection broke since the last one is no failure."""
        if self._connection is not None:
            try:
                return list(await self._connection.fetch(statement))
            except LOST:
                self._connection.terminate()
        self._connection = await asyncpg.connect(self._stage.database_url)
        return list(await self._connection.fetch(statement))

    async def close(self) -> None:
        """Close what was kept; what is asked later is asked over a new connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def answered(self, state: str) -> list[dict[str, Any]]:
        """Return all alerts of a state as the gateway lists them, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            path = f"/alerts?state={state}&limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
            status, _, page = await self._stage.ask(path)
            assert status == 200, page
            found += page["alerts"]
            if page["next_cursor"] is None:
                return found
            cursor = page["next_cursor"]


def entry_of(event: dict[str, str]) -> Entry:
    """Return the entry that an event makes."""
    return Entry(
        event["rule"],
        event["source"],
        event["transition"],
        event["severity"],
        datetime.fromisoformat(event["at"]),
    )
