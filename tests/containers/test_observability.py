"""The profile `observability`: Prometheus scrapes, and what the dashboards ask for is there.

Grafana's image is not everywhere to be had; what it is given is checked against Prometheus instead.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.containers.compose import Compose, docker
from tests.system.platform import ROOT, await_that

DASHBOARDS = sorted((ROOT / "deploy" / "compose" / "grafana" / "dashboards").glob("*.json"))
# only there once something was throttled, killed, fired or asked for
MAY_BE_EMPTY = ("http_server_request", "atalaia_alerting_transitions")


@pytest.fixture(scope="module")
def observed(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    folder = tmp_path_factory.mktemp("observed")
    compose = Compose(f"atalaia-seen-{os.getpid()}", folder, profile="observability")
    try:
        compose("up", "--detach", "--wait", "api", "alerting", "collector", "prometheus")
        yield compose
    finally:
        compose.down()


def ask(compose: Compose, query: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers to an instant query."""
    address = compose.address(compose.one("prometheus"), "watch")
    url = f"http://{address}:9090/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
    return found


def test_prometheus_takes_its_configuration(observed: Compose) -> None:
    container = observed.one("prometheus")
    assert "SUCCESS" in docker(
        "exec", container, "promtool", "check", "config", "/etc/prometheus/prometheus.yml"
    )


def test_the_gateway_is_scraped_and_offers_the_links(observed: Compose) -> None:
    await_that(lambda: ask(observed, 'up{job="atalaia"} == 1'), within_s=40, what="a scrape")
    assert ask(observed, "atalaia_alerting_lag"), "what alerting is scaled by"
    _, _, health = observed.get("/health/detailed")
    assert health["dependencies"]["prometheus"] | {"latency_s": 0} == {
        "status": "up",
        "latency_s": 0,
        "detail": "",
        "optional": True,
    }
    _, _, system = observed.get("/system/info")
    assert system["links"] == {
        "prometheus": f"http://127.0.0.1:{observed.prometheus_port}",
        "grafana": "http://127.0.0.1:3000",
    }


def test_a_range_longer_than_what_the_stream_holds_comes_from_prometheus(observed: Compose) -> None:
    path = "/metrics/system.cpu.utilization"

    def asked() -> dict[str, Any] | None:
        _, _, held = observed.get(path)
        first_s = held["series"][0]["points"][0][0]
        _, headers, answer = observed.get(f"{path}?limit=4&since={first_s - 20}")
        return answer if headers["atalaia-source"] == "prometheus" else None

    answer = await_that(asked, within_s=60, what="points from Prometheus")
    (series,) = answer["series"]
    assert series["labels"] == {}
    assert all(0 <= value <= 1 for _, value in series["points"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_what_a_dashboard_asks_for_is_there(observed: Compose, path: Path) -> None:
    board = json.loads(path.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert asked
    for query in asked:
        written = query.replace("$host", ".*").replace("[5m]", "[1m]")
        if any(name in query for name in MAY_BE_EMPTY):
            ask(observed, written)  # Prometheus takes it, whatever there is
        else:
            await_that(partial(ask, observed, written), within_s=60, what=written)
