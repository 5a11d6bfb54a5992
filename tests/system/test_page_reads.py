"""What the page reads beside the stream: heat maps, alerts of a time, thresholds, what a load test may be."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.system.platform import Platform, Source, await_that
from tests.system.test_stream import calm, fire

ROUTE = (
    'http.server.request.duration{http.request.method="GET",http.response.status_code="%s",http.route="%s"}'
)


async def test_a_histogram_has_buckets_for_a_heat_map(platform: Platform) -> None:
    source = Source("heat", kind="app")
    said = json.loads(source.body(0.5))
    delta = {"count": 3, "sum": 0.3, "scale": 4, "zero_count": 1, "offset": -8, "counts": [1, 0, 0, 0, 1]}
    said["histograms"] = {
        ROUTE % ("200", "/a"): delta,
        ROUTE % ("500", "/a"): delta,
        ROUTE % ("200", "/b"): delta,
    }
    async with platform.nats() as client:
        await client.publish(source.subject, json.dumps(said).encode())
        await client.flush()
    asked = "/metrics/http.server.request.duration?group=heat&as=buckets&label=http.route=/a"
    answer = await_that(lambda: (got := platform.get(asked))[0] == 200 and got[1], what="the histogram")
    (series,) = answer["series"]
    assert series["points"] == [[source.at.timestamp(), 2, -2, [2, 2]]]
    assert answer["base"] == 2**0.25
    assert platform.get("/metrics/system.cpu.utilization?source=heat&as=buckets")[0] == 422


async def test_alerts_of_a_time_whatever_became_of_them(platform: Platform) -> None:
    source = Source("timed")
    async with platform.nats() as client:
        began_at = source.at
        await fire(client, source)
        await calm(client, source)
    ended_at = source.at

    def asked(since: float, until: float) -> list[str]:
        _, page = platform.get(f"/alerts?state=all&source=timed&since={since}&until={until}")
        return [alert["state"] for alert in page["alerts"]]

    hour_s = timedelta(hours=1).total_seconds()
    began_s, ended_s = began_at.timestamp(), ended_at.timestamp()
    await_that(lambda: asked(began_s, ended_s) == ["resolved"], what="the alert, resolved")
    assert asked(ended_s + 1, ended_s + hour_s) == asked(began_s - hour_s, began_s) == []


def test_rules_tell_what_a_chart_draws(platform: Platform) -> None:
    _, answer = platform.get("/rules?limit=500")
    (rule,) = [one for one in answer["rules"] if one["name"] == "errors"]
    assert (rule["op"], rule["thresholds"]["critical"], rule["clear"]) == (">", 0.1, None)
    assert rule["of"] == {"http.response.status_code": {"=~": "5.."}}


def test_a_load_test_s_limits_are_told(platform: Platform) -> None:
    _, answer = platform.get("/loadtests/limits")
    told = (answer["max_rps"], answer["max_users"], answer["max_duration_s"])
    assert told == (200.0, 20, 20.0)
    assert answer["default_url"].endswith("/api/v1/monitoring/health")
