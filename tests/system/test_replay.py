"""`rules replay` on a real stream: what would have been, and nothing written."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nats.js import JetStreamContext

from atalaia import broker
from atalaia.events.metrics import MetricsBatch
from atalaia.events.streams import METRICS_STREAM, streams
from atalaia.events.subjects import metrics_subject
from tests.system.servers import Servers

ROOT = Path(__file__).parents[2]
CPU = "system.cpu.utilization"
TEAM = (
    "rules:\n  - {name: high-cpu, thresholds: {warning: 0.7}, for: 2m}\n  - {name: errors, enabled: false}\n"
)


async def replayed(*arguments: str, **environment: str) -> tuple[int, str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "NATS_URL"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.alerting", "rules", "replay", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": str(ROOT / "shared"), **environment},
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def consumers(jetstream: JetStreamContext) -> set[str]:
    return {one.name for one in await jetstream.consumers_info(METRICS_STREAM)}


async def test_a_replay_says_what_would_have_been_and_writes_nothing(
    servers: Servers, tmp_path: Path
) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=20)
    values = [0.5, *[0.75] * 4, *[0.99] * 3, 0.1]
    client = await broker.connect(servers.nats.url, name="test")
    try:
        jetstream = client.jetstream()
        await broker.ensure_streams(jetstream, streams(), replicas=1)
        await jetstream.purge_stream(METRICS_STREAM)
        for minute, value in enumerate(values):
            one = MetricsBatch(
                source="web-1",
                kind="host",
                at=begin + timedelta(minutes=minute),
                interval_s=60,
                gauges={CPU: value},
            )
            await jetstream.publish(metrics_subject("host", "web-1", "web-1"), one.body())
        await jetstream.publish(metrics_subject("host", "web-1", "web-1"), b"nonsense")
        before = [(await jetstream.stream_info(one.name)).state for one in streams()]
        there = await consumers(jetstream)
        (tmp_path / "team.yaml").write_text(TEAM)
        (tmp_path / "env").write_text(f"NATS_URL='{servers.nats.url}'\n")

        code, out, err = await replayed(
            "--since", "1h", "--json", str(tmp_path / "team.yaml"), ATALAIA_DATA_DIR=str(tmp_path)
        )

        assert (code, err) == (0, "")
        document = json.loads(out)
        minutes = [
            ((datetime.fromisoformat(one["at"]) - begin).total_seconds() / 60, one["transition"])
            for one in document["transitions"]
        ]
        assert minutes == [(3, "fired"), (8, "resolved")]
        assert (document["messages"], document["unreadable"]) == (9, 1)
        by_name = {one["rule"]: one for one in document["rules"]}
        assert "errors" not in by_name
        assert by_name["high-cpu"]["firing_s"] == 300.0

        code, out, err = await replayed("--since", "1h", NATS_URL=servers.nats.url)
        assert (code, err) == (0, "")
        assert "resolved" in out

        assert [(await jetstream.stream_info(one.name)).state for one in streams()] == before
        assert await consumers(jetstream) <= there
    finally:
        await broker.close(client)


async def test_a_broker_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    code, out, err = await replayed(NATS_URL="nats://user:secret@127.0.0.1:1", ATALAIA_DATA_DIR=str(tmp_path))
    assert (code, out) == (1, "")
    assert "127.0.0.1:1" in err
    assert "secret" not in err
