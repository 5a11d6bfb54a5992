"""Leases in a real Postgres: who may judge what, when connections die or go silent in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from atalaia.database import Pool, migrate
from atalaia.errors import Transient
from atalaia.events.subjects import PARTITIONS
from services.alerting.adapters.store import PostgresStore
from services.alerting.app import MIGRATIONS
from services.alerting.ports import Lease, LeaseLost, Position
from tests.system.storm.door import Door, Trap

CREATED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def store_at(url: str, holder: str = "one") -> AsyncIterator[PostgresStore]:
    pool = Pool(url, kept=1, acquire_timeout_s=2.0, statement_timeout_s=2.0)
    try:
        yield PostgresStore(pool, holder)
    finally:
        await pool.close(within_s=1.0)


@asynccontextmanager
async def door_before(url: str) -> AsyncIterator[tuple[Door, str]]:
    port = urlsplit(url).port
    assert port is not None
    door = Door(port)
    await door.open()
    try:
        yield door, url.replace(f":{port}", f":{door.port}")
    finally:
        await door.shut()


async def commit(store: PostgresStore, leases: list[Lease], sequence: int) -> None:
    fences = {lease.partition: lease.fence for lease in leases}
    judged = {lease.partition: lease.position.sequence for lease in leases}
    await store.commit(fences, Position(CREATED, sequence, CREATED), [], judged=judged)


async def all_leases(store: PostgresStore, *, within_s: float) -> list[Lease]:
    async with asyncio.timeout(within_s):
        while len(leases := await store.acquire(PARTITIONS)) < PARTITIONS:
            await asyncio.sleep(0.2)
    return leases


@pytest.mark.parametrize("trap, position", [(Trap.CUT_BEFORE, 0), (Trap.CUT_AFTER, 7)])
async def test_a_commit_that_is_cut_off_is_done_or_not(database_url: str, trap: Trap, position: int) -> None:
    await migrate(database_url, MIGRATIONS)
    async with door_before(database_url) as (door, url), store_at(url) as store:
        leases = await store.acquire(PARTITIONS)
        door.set_trap(b"COMMIT", trap)
        with pytest.raises(Transient):
            await commit(store, leases, 7)
        door.remove_trap()
        assert {lease.position.sequence for lease in await all_leases(store, within_s=10)} == {position}


async def test_a_transaction_whose_client_went_silent_does_not_hold_the_leases_for_ever(
    database_url: str,
) -> None:
    await migrate(database_url, MIGRATIONS)
    async with door_before(database_url) as (door, url), store_at(url) as store:
        leases = await store.acquire(PARTITIONS)
        door.set_trap(b"COMMIT", Trap.SILENT)
        with pytest.raises(Transient):
            await commit(store, leases, 7)
        door.remove_trap()
        await all_leases(store, within_s=20)


async def test_who_lost_a_lease_writes_nothing(database_url: str) -> None:
    await migrate(database_url, MIGRATIONS)
    async with store_at(database_url) as store:
        old, new = (
            await store.acquire(PARTITIONS),
            await store.acquire(PARTITIONS),
        )  # the same holder, begun anew
        await commit(store, new, 9)
        with pytest.raises(LeaseLost):
            await commit(store, old, 7)
        assert {lease.position.sequence for lease in await store.acquire(PARTITIONS)} == {9}


async def test_a_partition_that_was_ahead_stays_ahead(database_url: str) -> None:
    await migrate(database_url, MIGRATIONS)
    async with store_at(database_url) as store:
        leases = await store.acquire(PARTITIONS)
        await commit(store, leases[:1], 100)
        leases = await store.acquire(PARTITIONS)
        await commit(store, leases, 50)
        positions = sorted(lease.position.sequence for lease in await store.acquire(PARTITIONS))
        assert positions == [50] * (PARTITIONS - 1) + [100]


async def test_what_a_replica_gave_back_is_vacant(database_url: str) -> None:
    await migrate(database_url, MIGRATIONS)
    async with store_at(database_url) as store:
        leases = await store.acquire(PARTITIONS)
        assert (await store.census()).vacant == 0
        await store.release({lease.partition: lease.fence for lease in leases[:1]})
        assert (await store.census()).vacant == 1


async def test_a_replica_keeps_its_share_and_hands_back_the_rest(database_url: str) -> None:
    await migrate(database_url, MIGRATIONS)
    async with store_at(database_url) as one, store_at(database_url, "two") as two:
        before = {lease.partition for lease in await one.acquire(PARTITIONS)}
        assert await two.acquire(PARTITIONS) == []
        assert [(await replica.census()).replicas for replica in (one, two)] == [1, 2]
        kept = {lease.partition for lease in await one.acquire(PARTITIONS // 2)}
        assert {lease.partition for lease in await two.acquire(PARTITIONS // 2)} == before - kept
        assert (await one.census()).vacant == 0
