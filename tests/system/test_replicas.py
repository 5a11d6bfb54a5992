"""Several alerting replicas: each group is judged by one, and by another when that one is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from nats.aio.client import Client

from tests.system.platform import ROOT, Platform, await_that

SOURCES = [f"replicated-{number}" for number in range(40)]
RULES = """
rules:
  - name: replicated
    metric: replicated.value
    thresholds: {warning: 0.5}
    for: 0s
"""


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("replicated")
    (folder / "rules.yaml").write_text(RULES)
    platform = Platform(folder / "data", ATALAIA_ALERTING_RULES=str(folder / "rules.yaml"))
    platform.start()
    yield platform
    assert platform.stop() == 0


@contextmanager
def another(platform: Platform, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one more alerting beside the platform's."""
    environment = {**os.environ, **platform.environment, **platform.urls(), "ATALAIA_INSTANCE": name}
    process = subprocess.Popen([sys.executable, "-m", "services.alerting"], cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(15) == 0


async def holders(database: asyncpg.Connection[asyncpg.Record]) -> Counter[str]:
    rows = await database.fetch("SELECT holder FROM partitions WHERE holder IS NOT NULL")
    return Counter(row["holder"] for row in rows)


async def await_shares(database: asyncpg.Connection[asyncpg.Record], *shares: int) -> Counter[str]:
    """Wait until the replicas hold so many partitions each."""
    async with asyncio.timeout(30):
        while sorted((found := await holders(database)).values()) != sorted(shares):
            await asyncio.sleep(0.1)
    return found


async def publish(client: Client, value: float) -> None:
    for source in SOURCES:
        body = {
            "source": source,
            "kind": "test",
            "at": datetime.now(UTC).isoformat(),
            "interval_s": 1.0,
            "gauges": {"replicated.value": value},
        }
        subject = f"atalaia.metrics.test.{source}.{source}"
        await client.jetstream().publish(subject, json.dumps(body).encode(), timeout=5)


def listed(platform: Platform, state: str) -> list[dict[str, str]]:
    answer = platform.get(f"/alerts?rule=replicated&state={state}&limit=500")[1]
    found: list[dict[str, str]] = answer["alerts"]
    return found


async def test_replicas_share_hand_over_and_double_nothing(replicated: Platform) -> None:
    database = await asyncpg.connect(replicated.urls()["DATABASE_URL"])
    async with replicated.nats() as client:
        with another(replicated, "second") as second:
            await await_shares(database, 32, 32)

            await publish(client, 0.9)
            firing = await_that(
                lambda: found if len(found := listed(replicated, "firing")) == len(SOURCES) else None,
                what="an alert of each source",
            )
            # whoever is asked, the one that judges the alert resolves it
            for alert in firing[:12]:
                path = f"/alerts/{alert['alert_id']}/resolve"
                assert replicated.request("POST", path, {"by": "ana"})[0] == 200

            second.send_signal(signal.SIGSTOP)
            await await_shares(database, 64)
            await publish(client, 0.1)
            await_that(lambda: not listed(replicated, "firing"), what="all to be resolved")
            await publish(client, 0.9)
            await_that(
                lambda: len(listed(replicated, "firing")) == len(SOURCES), what="all to fire once more"
            )
            second.send_signal(signal.SIGCONT)
            shared = await await_shares(database, 32, 32)
            assert "second" in shared

        await await_shares(database, 64)
        rows = await database.fetch(
            "SELECT a.source, t.transition, count(*) FROM alert_transitions t JOIN alerts a USING (alert_id) "
            "WHERE a.rule = 'replicated' GROUP BY 1, 2"
        )
    await database.close()
    counts = {(row["source"], row["transition"]): row["count"] for row in rows}
    assert counts == {(source, what): n for source in SOURCES for what, n in (("fired", 2), ("resolved", 1))}
