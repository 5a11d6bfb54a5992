"""The outbox on real servers: what was committed arrives, in order per alert, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from nats.aio.msg import Msg

from atalaia import broker
from atalaia.broker import EnduringClient
from atalaia.database import Pool, migrate
from atalaia.errors import Transient
from atalaia.events.alerts import Severity, Transition
from atalaia.events.streams import ALERTS_STREAM, streams
from services.alerting.adapters.fresh import Fresh
from services.alerting.adapters.outbox import Outbox
from services.alerting.adapters.store import PostgresStore
from services.alerting.app import MIGRATIONS
from services.alerting.domain.alert import Alert, Change, Key, State
from services.alerting.ports import Lease, Position
from tests.system.servers import Servers
from tests.system.storm.door import Door, Trap

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SEVERITIES = (Severity.WARNING, Severity.ERROR)
PATIENCE_S = 20.0


class Replica:
    """A store and its outbox, as alerting wires them; `run` is not running until it is asked for."""

    def __init__(
        self, pool: Pool, client: EnduringClient, name: str, *, rule: str, at_most: int = 1000
    ) -> None:
        self.fresh = Fresh(at_most=at_most)
        self.store = PostgresStore(pool, name, fresh=self.fresh)
        self.outbox = Outbox(pool, client, name, self.fresh)
        self.summary_of: dict[tuple[str, int], str] = {}
        self._rule = rule
        self._leases: list[Lease] = []

    async def take_over(self) -> None:
        self._leases = await self.store.acquire(64)

    def change(self, alert_id: str, sequence: int) -> Change:
        alert = Alert(
            alert_id=f"{self._rule}-{alert_id}",  # its messages must be news to the stream, which tests share
            key=Key(self._rule, "test", f"source-{alert_id}", "value"),
            group="",
            partition=1,
            state=State.FIRING,
            started_at=NOW,
            last_at=NOW,
            severity=SEVERITIES[sequence % 2],
            value=float(sequence),
            threshold=0.5,
            summary=self.summary_of.get((alert_id, sequence), ""),
            sequence=sequence,
        )
        return Change(alert, NOW, Transition.FIRED if sequence == 1 else Transition.SEVERITY_CHANGED)

    async def commit(self, *changes: tuple[str, int]) -> None:
        fences = {lease.partition: lease.fence for lease in self._leases}
        listed = [self.change(*change) for change in changes]
        await self.store.commit(fences, Position(NOW, 1, NOW), listed, judged=dict.fromkeys(fences, 0))

    async def drained(self) -> None:
        """Let all leave that may."""
        while await self.outbox.drain():
            pass


class World:
    def __init__(self, url: str, client: EnduringClient) -> None:
        self.url, self.client = url, client
        self.rule = f"r-{uuid4().hex[:12]}"
        self.pools: list[Pool] = []
        self.told: list[tuple[str, int]] = []

    def replica(self, name: str, *, url: str = "", at_most: int = 1000) -> Replica:
        pool = Pool(url or self.url, kept=1, acquire_timeout_s=2.0)
        self.pools.append(pool)
        return Replica(pool, self.client, name, rule=self.rule, at_most=at_most)

    async def listen(self) -> None:
        async def hear(message: Msg) -> None:
            alert_id, _, sequence = (message.headers or {})["Nats-Msg-Id"].partition(":")
            self.told.append((alert_id.removeprefix(f"{self.rule}-"), int(sequence)))

        await self.client.jetstream().subscribe(
            f"atalaia.alerts.{self.rule}.*", cb=hear, ordered_consumer=True
        )

    async def hears(self, *expected: tuple[str, int]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while len(self.told) < len(expected):
                    await asyncio.sleep(0.02)
        assert self.told == list(expected)

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def left(self) -> int:
        return len(await self.sql("SELECT id FROM outbox"))


@pytest.fixture
async def world(servers: Servers, database_url: str) -> AsyncIterator[World]:
    await migrate(database_url, MIGRATIONS)
    client = await broker.connect(servers.nats.url, name="test")
    await broker.ensure_streams(client.jetstream(), streams(), replicas=1)
    world = World(database_url, client)
    await world.listen()
    yield world
    for pool in world.pools:
        await pool.close(within_s=1.0)
    await broker.close(client)


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[None]:
    task = asyncio.create_task(replica.outbox.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_is_committed_arrives_in_order_and_leaves_nothing_behind(world: World) -> None:
    one = world.replica("one")
    await one.take_over()
    await one.drained()
    await one.commit(("A", 1), ("A", 2), ("B", 1))
    await one.drained()
    await world.hears(("A", 1), ("B", 1), ("A", 2))
    assert await world.left() == 0


async def test_what_just_was_committed_leaves_without_a_claim(world: World) -> None:
    one = world.replica("one")
    await one.take_over()
    await one.drained()
    await one.commit(("A", 1))
    await world.sql("UPDATE outbox SET body = 'not from memory'")
    await one.drained()
    (stored,) = [
        await world.client.jetstream().get_last_msg(ALERTS_STREAM, f"atalaia.alerts.{world.rule}.source-A")
    ]
    assert stored.data != b"not from memory"


async def test_a_restarted_replica_publishes_what_it_had_committed_before_what_it_commits(
    world: World,
) -> None:
    killed = world.replica("one")
    await killed.take_over()
    await killed.drained()
    await killed.commit(("A", 1), ("B", 1))
    again = world.replica("one")
    await again.take_over()
    await again.commit(("A", 2))
    await again.drained()
    await world.hears(("A", 1), ("B", 1), ("A", 2))


async def test_who_takes_over_waits_with_an_alert_for_the_fallen_ones_claim_and_with_no_other(
    world: World,
) -> None:
    fallen, heir = world.replica("fallen"), world.replica("heir")
    await fallen.take_over()
    await fallen.drained()
    await heir.drained()
    assert not heir.fresh.behind
    await fallen.commit(("A", 1))
    await world.sql("UPDATE partitions SET expires_at = now() - interval '1 s'")
    await heir.take_over()
    await heir.commit(("A", 2), ("B", 1))
    await heir.drained()
    await world.hears(("B", 1))
    await world.sql("UPDATE outbox SET claimed_until = now() WHERE claimed_by = 'fallen'")
    async with running(heir):
        await world.hears(("B", 1), ("A", 1), ("A", 2))


async def test_who_never_judged_it_publishes_what_a_fallen_replica_left(world: World) -> None:
    fallen, other = world.replica("fallen"), world.replica("other")
    await fallen.take_over()
    await fallen.drained()
    await fallen.commit(("A", 1))
    await world.sql("UPDATE outbox SET claimed_until = now()")
    async with running(other):
        await world.hears(("A", 1))


async def test_who_stops_lets_others_publish_at_once(world: World) -> None:
    stopped, other = world.replica("stopped"), world.replica("other")
    await stopped.take_over()
    await stopped.drained()
    await stopped.commit(("A", 1))
    await stopped.outbox.hand_back()
    await other.drained()
    await world.hears(("A", 1))


async def test_what_a_cut_off_commit_had_announced_leaves_before_what_follows(world: World) -> None:
    port = urlsplit(world.url).port
    assert port is not None
    door = Door(port)
    await door.open()
    one = world.replica("one", url=world.url.replace(f":{port}", f":{door.port}"))
    await one.take_over()
    await one.drained()
    door.set_trap(b"COMMIT", Trap.CUT_AFTER)
    with pytest.raises(Transient):
        await one.commit(("A", 1))
    door.remove_trap()
    await one.commit(("A", 1), ("A", 2))
    await one.commit(("A", 3))
    await one.drained()
    await door.shut()
    await world.hears(("A", 1), ("A", 2), ("A", 3))


async def test_nothing_overtakes_what_the_broker_refuses(world: World) -> None:
    one = world.replica("one")
    one.summary_of = {("A", 1): "larger than any broker takes " * 50_000}
    await one.take_over()
    await one.drained()
    await one.commit(("A", 1), ("A", 2), ("B", 1))
    for _ in range(2):  # from memory, and from the table
        with pytest.raises(Transient):
            await one.drained()
    await one.commit(("C", 1))
    with pytest.raises(Transient):
        await one.drained()
    await world.hears(("B", 1), ("C", 1))
    assert await world.left() == 2


async def test_what_was_published_while_postgres_went_is_not_lost_and_not_doubled(world: World) -> None:
    port = urlsplit(world.url).port
    assert port is not None
    door = Door(port)
    await door.open()
    one = world.replica("one", url=world.url.replace(f":{port}", f":{door.port}"))
    await one.take_over()
    await one.drained()
    await one.commit(("A", 1), ("A", 2))
    await door.shut()
    with pytest.raises(Transient):
        await one.drained()
    await door.open()
    await one.commit(("A", 3))
    await one.drained()
    await door.shut()
    await world.hears(("A", 1), ("A", 2), ("A", 3))
    assert await world.left() == 0


async def test_what_memory_may_not_keep_arrives_all_the_same(world: World) -> None:
    one = world.replica("one", at_most=3)
    await one.take_over()
    await one.drained()
    for sequence in range(1, 6):
        await one.commit(("A", sequence), ("B", sequence))
    await one.drained()
    async with asyncio.timeout(PATIENCE_S):
        while len(world.told) < 10:
            await asyncio.sleep(0.02)
    assert [sequence for alert_id, sequence in world.told if alert_id == "A"] == [1, 2, 3, 4, 5]
