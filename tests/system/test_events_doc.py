"""What docs/events.md shows, executed; and what its user may not do."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import nats.errors
import pytest
from nats.js.errors import Error as JetStreamError

from tests.system.platform import ROOT, Platform, Source, await_that


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (Path(ROOT) / "docs" / "events.md").read_text(), re.DOTALL)


async def test_the_ten_line_subscriber_prints_alerts(platform: Platform) -> None:
    subscriber, _ = snippets()
    assert len([line for line in subscriber.splitlines() if line.strip()]) <= 12
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", subscriber, stdout=subprocess.PIPE, env={**os.environ, **platform.urls()}
    )
    try:
        line = await asyncio.wait_for(_first_line_after_alerts(platform, child), 20)
        assert re.match(r"fired \w+ CPU of documented-\d+ at 99 %", line), line
    finally:
        child.kill()
        await child.wait()


async def _first_line_after_alerts(platform: Platform, child: asyncio.subprocess.Process) -> str:
    """Let alerts of ever new sources fire until the subscriber, which has to connect first, prints one."""
    assert child.stdout is not None
    line = asyncio.ensure_future(child.stdout.readline())
    async with platform.nats() as publisher:
        for number in itertools.count():
            source = Source(f"documented-{number}")
            for body in source.bodies(*[0.99] * 8):
                await publisher.publish(source.subject, body)
            await publisher.publish(source.subject, source.body(0.1))
            await asyncio.wait({line}, timeout=0.5)
            if line.done():
                break
    return line.result().decode()


def test_the_published_metric_is_there(platform: Platform) -> None:
    _, publisher = snippets()
    subprocess.run(
        [sys.executable, "-c", publisher], env={**os.environ, **platform.urls()}, check=True, timeout=20
    )
    (source,) = await_that(
        lambda: platform.get("/metrics?source=press-7")[1]["sources"], what="the published metric"
    )
    assert source["gauges"] == {"oil.temperature": 61.5}


async def test_the_subscriber_cannot_publish(platform: Platform) -> None:
    async with platform.nats("ATALAIA_SUBSCRIBER_URL") as reader:
        await reader.publish(Source("forged").subject, Source("forged").body(0.5))
        await reader.publish("atalaia.alerts.high-cpu.forged", b"{}")
        with pytest.raises((nats.errors.Error, JetStreamError, TimeoutError)):
            await reader.jetstream(timeout=1).publish(Source("forged").subject, b"{}")
        with pytest.raises((nats.errors.Error, JetStreamError, TimeoutError)):
            await reader.request("atalaia.rpc.alerting.resolve", b"{}", timeout=1)
    assert platform.get("/metrics?source=forged")[1]["sources"] == []
