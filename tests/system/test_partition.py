"""One alerting replica loses the broker, the others and Postgres stay: somebody who hears takes over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.system.platform import Platform
from tests.system.proxy import Proxy
from tests.system.test_replicas import RULES, another, await_shares, holders

RELIEVED_WITHIN_S = 10.0


@pytest.fixture
async def cut_off(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Platform, Proxy]]:
    """A platform, and a proxy before its broker."""
    folder = tmp_path_factory.mktemp("partitioned")
    (folder / "rules.yaml").write_text(RULES)
    platform = Platform(folder / "data", ATALAIA_ALERTING_RULES=str(folder / "rules.yaml"))
    await asyncio.to_thread(platform.start)
    async with Proxy(int(platform.environment["ATALAIA_NATS_PORT"])) as proxy:
        yield platform, proxy
    assert await asyncio.to_thread(platform.stop) == 0


async def test_a_replica_without_the_broker_is_relieved_and_takes_nothing_back_until_it_hears(
    cut_off: tuple[Platform, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, proxy = cut_off
    database = await asyncpg.connect(platform.urls()["DATABASE_URL"])
    given = platform.urls()
    through = given["NATS_URL"].replace(f":{platform.environment['ATALAIA_NATS_PORT']}", f":{proxy.port}")
    monkeypatch.setattr(platform, "urls", lambda: given | {"NATS_URL": through})
    try:
        with another(platform, "cut-off"):
            await await_shares(database, 32, 32)
            proxy.hang()
            began_s = time.monotonic()
            await await_shares(database, 64)
            took_s = time.monotonic() - began_s
            assert "cut-off" not in await holders(database)
            assert took_s < RELIEVED_WITHIN_S
            async with asyncio.timeout(8):  # its lease of before would long be its own again
                while time.monotonic() < began_s + took_s + 6:
                    assert "cut-off" not in await holders(database)
                    await asyncio.sleep(0.2)
            proxy.flow()
            proxy.forget()
            assert "cut-off" in await await_shares(database, 32, 32)
            proxy.hang()  # and with the broker away it stops in time, too
    finally:
        await database.close()
