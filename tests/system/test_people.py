"""What people do with alerts, and the rules they look up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.system.platform import Platform, Source, await_that


async def fired(platform: Platform, source: Source) -> dict[str, Any]:
    async with platform.nats() as publisher:
        for body in source.bodies(*([0.92] * 8)):
            await publisher.publish(source.subject, body)
        await publisher.flush()
    found: list[dict[str, Any]] = await_that(
        lambda: platform.get(f"/alerts?source={source.name}")[1]["alerts"], what="the alert"
    )
    return found[0]


async def test_an_acknowledgement_shows_who_until_it_is_undone(platform: Platform) -> None:
    alert = await fired(platform, Source("acknowledged"))
    path = f"/alerts/{alert['alert_id']}"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    status, answer = platform.request(
        "POST", f"{path}/acknowledge", {"by": "ana", "until": until, "note": "on it"}
    )
    assert (status, answer["acknowledged_by"], answer["state"]) == (200, "ana", "firing")
    status, answer = platform.request("POST", f"{path}/unacknowledge", {"by": "bia"})
    assert (status, answer["acknowledged_by"]) == (200, None)
    assert platform.request("POST", f"{path}/unacknowledge")[0] == 409
    timeline = platform.get(path)[1]["timeline"]
    done = [(entry["transition"], entry["by"], entry["note"]) for entry in timeline if entry["by"]]
    assert done == [("acknowledged", "ana", "on it"), ("unacknowledged", "bia", None)]


async def test_nobody_acknowledges_what_does_not_fire(platform: Platform) -> None:
    assert platform.request("POST", "/alerts/01JD0000000000000000000000/acknowledge")[0] == 404
    assert platform.request("POST", "/alerts/x/acknowledge", {"until": "tomorrow"})[0] == 422


async def test_rules_are_listed_with_what_they_judge(platform: Platform) -> None:
    def high_cpu() -> dict[str, Any] | None:
        rules = platform.get("/rules?limit=500")[1]["rules"]
        return next((one for one in rules if one["name"] == "high-cpu" and one["series"]), None)

    rule = await_that(high_cpu, what="high-cpu to judge something")
    assert rule["thresholds"] == {"warning": 0.8, "error": 0.9, "critical": 0.95}
    assert rule["judged_at"] is not None
    first = platform.get("/rules?limit=1")[1]
    assert len(first["rules"]) == 1
    second = platform.get(f"/rules?limit=1&cursor={first['next_cursor']}")[1]
    assert second["rules"][0]["name"] > first["rules"][0]["name"]
