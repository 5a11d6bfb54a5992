"""The gateway's own use of the cache: GET /performance, as `/cache/status` shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.system.platform import Platform, await_that

LABELS = 'http.request.method="GET",http.response.status_code="200",http.route="/kept"'
SERIES = f"http.server.request.duration{{{LABELS}}}"


def message(*, ago_s: float) -> bytes:
    """An application's message with five requests."""
    histogram = {"count": 5, "sum": 0.0212, "min": 0.004, "max": 0.0043, "scale": 4, "zero_count": 0}
    body = {
        "source": "kept-1",
        "kind": "app",
        "group": "kept",
        "at": (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(),
        "interval_s": 5.0,
        "histograms": {SERIES: histogram | {"offset": -128, "counts": [1, 0, 4]}},
    }
    return json.dumps(body).encode()


def requests(platform: Platform) -> Any:
    endpoints = platform.get("/performance?service=kept&window_s=600")[1]["endpoints"]
    return endpoints[0]["requests"] if endpoints else 0


async def publish(platform: Platform, *, ago_s: float) -> None:
    async with platform.nats() as client:
        await client.publish("atalaia.metrics.app.kept.kept-1", message(ago_s=ago_s))
        await client.flush()


async def test_performance_is_computed_once_for_many_and_anew_for_a_new_message(platform: Platform) -> None:
    await publish(platform, ago_s=20)
    await_that(lambda: requests(platform) == 5, what="the first message")
    before = platform.get("/cache/status")[1]["hits"]
    await_that(
        lambda: requests(platform) == 5 and platform.get("/cache/status")[1]["hits"] > before, what="a hit"
    )

    def newest() -> Any:
        return platform.get("/metrics?source=kept-1")[1]["sources"][0]["at"]

    seen = newest()
    await publish(platform, ago_s=0)
    await_that(lambda: newest() != seen, what="the second message")
    assert requests(platform) == 10
