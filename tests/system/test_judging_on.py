"""Postgres is away, or the place of dead letters: judging goes on, and passes nothing that is not kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from atalaia import broker
from atalaia.broker.pull import Reader
from atalaia.clock import SystemClock
from atalaia.database import Pool, migrate
from atalaia.embedded import Servers
from atalaia.errors import Transient
from atalaia.events.metrics import MetricsBatch
from atalaia.events.streams import DEAD_STREAM, METRICS_STREAM, streams
from atalaia.events.subjects import metrics_subject
from atalaia.service import Instruments
from services.alerting.adapters.deadletters import StreamDeadLetters
from services.alerting.adapters.store import PostgresStore
from services.alerting.adapters.stream import MetricsStream
from services.alerting.app import MIGRATIONS
from services.alerting.domain.rules_file import load_rules
from services.alerting.handlers.judging import Judging
from services.alerting.ports import Letter
from tests.system.storm.door import Door, Trap

RULES = """
rules:
  - {name: judged-on, metric: judged_on.value, thresholds: {warning: 0.5}, for: 0s}
"""
PATIENCE_S = 20.0


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("trap", [None, Trap.CUT_BEFORE, Trap.CUT_AFTER])
async def test_judging_goes_on_without_postgres(
    servers: Servers, database_url: str, trap: Trap | None
) -> None:
    await migrate(database_url, MIGRATIONS)
    port = urlsplit(database_url).port
    assert port is not None
    door = Door(port)
    await door.open()
    client = await broker.connect(servers.nats.url, name="test")
    await broker.ensure_streams(client.jetstream(), streams(), replicas=1)
    pool = Pool(database_url.replace(f":{port}", f":{door.port}"), kept=1, acquire_timeout_s=2.0)
    ids = count(1)
    judging = Judging(
        store=PostgresStore(pool, "one"),
        stream=MetricsStream(client),
        dead=StreamDeadLetters(client),
        clock=SystemClock(),
        rules=load_rules(RULES, file="rules.yaml"),
        new_id=lambda at: f"{next(ids):06}",
        announce=lambda: None,
        instruments=Instruments(),
        started=asyncio.Event(),
    )
    running = asyncio.create_task(judging.run())
    begin, sent = datetime.now(UTC), 0

    async def say(*values: float) -> None:
        nonlocal sent
        for value in values:
            sent += 1
            batch = MetricsBatch(
                source=f"judged-{trap}",
                kind="test",
                at=begin + timedelta(milliseconds=sent),
                interval_s=1.0,
                gauges={"judged_on.value": value},
            )
            subject = metrics_subject("test", batch.source, batch.source)
            await client.jetstream().publish(subject, batch.body())

    def judged() -> bool:
        newest = begin + timedelta(milliseconds=sent)
        return any(state.judged_at == newest for state in judging.rule_states())

    try:
        await until(lambda: judging.fences)
        await say(0.9, 0.1)
        await until(judged)
        if trap is not None:
            door.set_trap(b"COMMIT", trap)
            await say(0.9)
            await until(lambda: door.trapped)
        await door.shut()
        door.remove_trap()
        await say(*([0.1, 0.9] * 50))
        await until(judged)
        await until(lambda: judging.trouble)
        await door.open()
        await say(0.1)
        await until(judged)
        await until(lambda: not judging.trouble)
        database = await asyncpg.connect(database_url)
        query = "SELECT transition FROM alert_transitions ORDER BY at, alert_id, sequence"
        async with asyncio.timeout(PATIENCE_S):
            while len(told := [row["transition"] for row in await database.fetch(query)]) < sent // 2 * 2:
                await asyncio.sleep(0.05)
        announced = await database.fetchval("SELECT count(*) FROM outbox")
        await database.close()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await pool.close(within_s=1.0)
        await broker.close(client)
        await door.shut()
    assert told == ["fired", "resolved"] * (len(told) // 2)
    assert announced == len(told)


class Gate:
    """Dead letters that are kept when the gate is open, and refused as often as is said."""

    def __init__(self, client: broker.EnduringClient, *, refusals: int) -> None:
        self._kept = StreamDeadLetters(client)
        self._refusals = refusals
        self.asked = 0
        self.open = asyncio.Event()

    async def bury(self, letters: Sequence[Letter]) -> None:
        self.asked += len(letters)
        await self.open.wait()
        if self._refusals:
            self._refusals -= 1
            raise Transient("no room for the dead")
        await self._kept.bury(letters)


@pytest.mark.parametrize("refusals", [0, 2])
async def test_what_nobody_can_process_is_passed_only_once_it_is_kept(
    servers: Servers, database_url: str, refusals: int
) -> None:
    await migrate(database_url, MIGRATIONS)
    client = await broker.connect(servers.nats.url, name="test")
    jetstream = client.jetstream()
    await broker.ensure_streams(jetstream, streams(), replicas=1)
    pool = Pool(database_url, kept=1)
    gate, mark = Gate(client, refusals=refusals), uuid4().hex
    judging = Judging(
        store=PostgresStore(pool, "one"),
        stream=MetricsStream(client),
        dead=gate,
        clock=SystemClock(),
        rules=load_rules(RULES, file="rules.yaml"),
        new_id=lambda at: f"{mark}-{at.timestamp():.6f}",
        announce=lambda: None,
        instruments=Instruments(),
        started=asyncio.Event(),
    )
    before = (await jetstream.stream_info(METRICS_STREAM)).state.last_seq
    dead_before = (await jetstream.stream_info(DEAD_STREAM)).state.last_seq
    for number in range(300):
        await client.publish(metrics_subject("test", mark, mark), f"{mark} {number}".encode())
    batch = MetricsBatch(
        source=mark, kind="test", at=datetime.now(UTC), interval_s=1.0, gauges={"judged_on.value": 0.9}
    )
    await jetstream.publish(metrics_subject("test", mark, mark), batch.body())
    database = await asyncpg.connect(database_url)

    async def position() -> int:
        return int(await database.fetchval("SELECT max(position) FROM partitions"))

    running = asyncio.create_task(judging.run())
    try:
        await until(lambda: gate.asked >= 50)
        assert await position() <= before
        gate.open.set()
        async with asyncio.timeout(PATIENCE_S):
            while await position() < before + 301:
                await asyncio.sleep(0.05)
        fired = await database.fetchval("SELECT count(*) FROM alerts WHERE source = $1", mark)
        reader = await Reader.open(client, DEAD_STREAM, from_sequence=dead_before + 1)
        kept: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(kept) < 300:
                kept += [one.body for one in await reader.more(1) if one.body.startswith(mark.encode())]
        await reader.close()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await database.close()
        await pool.close(within_s=1.0)
        await broker.close(client)
    assert sorted(kept) == sorted(f"{mark} {number}".encode() for number in range(300))
    assert fired == 1
