"""The stock rules judge what an instrumented application reports; only their times are shortened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.platform import Platform, await_that
from tests.system.shop import Shop, running

SOONER = """
rules:
  - name: slow-responses
    window: 5s
    for: 2s
  - name: errors
    window: 5s
    for: 2s
"""


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("hasty")
    rules = folder / "rules.yaml"
    rules.write_text(SOONER)
    platform = Platform(folder / "data", ATALAIA_ALERTING_RULES=str(rules))
    platform.start()
    yield platform
    assert platform.stop() == 0


@pytest.mark.parametrize(
    ("path", "rule", "severity"), [("/slow", "slow-responses", "warning"), ("/broken", "errors", "critical")]
)
def test_a_route_in_trouble_fires_and_its_end_resolves(
    hasty: Platform, path: str, rule: str, severity: str
) -> None:
    service = f"troubled-{rule}"

    def alerts(state: str) -> list[dict[str, Any]]:
        _, answer = hasty.get(f"/alerts?source={service}&rule={rule}&state={state}")
        return list(answer["alerts"])

    shop = Shop(
        module="tests.system.troubled:create",
        NATS_URL=hasty.urls()["NATS_URL"],
        ATALAIA_APP_INTERVAL_S="0.5",
        TROUBLED_SERVICE=service,
    )
    with running(shop, "/fine"):
        over = threading.Event()

        def suffer() -> None:
            while not over.is_set():
                shop.get(path)
                over.wait(0.1)

        suffering = threading.Thread(target=suffer)
        suffering.start()
        try:
            fired = await_that(
                lambda: [one for one in alerts("firing") if one["severity"] == severity],
                within_s=20,
                what=f"{rule} at {severity}",
            )
        finally:
            over.set()
            suffering.join()
        assert (fired[0]["kind"], fired[0]["group"]) == ("app", service)
        await_that(lambda: shop.get("/fine") == 200 and alerts("resolved"), within_s=20, what="recovery")
        shop.stop()
