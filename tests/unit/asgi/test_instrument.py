"""The one line: what it takes, what it refuses, what it costs to have it at hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping

import pytest
from starlette.applications import Starlette

import atalaia
from atalaia.asgi.contents import Contents, Meter, Reported
from atalaia.asgi.recorder import METHODS, RESERVED, Recorder
from atalaia.asgi.settings import AppSettings
from atalaia.clock import SystemClock
from atalaia.errors import Misconfigured
from atalaia.events.metrics import HistogramDelta
from atalaia.stats import Histogram


def test_importing_atalaia_loads_nothing_that_it_may_never_need() -> None:
    look = "import sys, atalaia; print(*sorted({'nats', 'pydantic', 'structlog'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://environment:4222")
    monkeypatch.setenv("ATALAIA_APP_MOST_SERIES", "100")
    settings = AppSettings.load(nats_url="nats://given:4222", app_most_series=None)
    assert (settings.nats_url, settings.app_most_series) == ("nats://given:4222", 100)


def test_a_wrong_setting_stops_the_start_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATALAIA_APP_INTERVAL_S", "often")
    with pytest.raises(Misconfigured, match="ATALAIA_APP_INTERVAL_S is 'often'"):
        atalaia.instrument(Starlette(), service="shop")


def test_a_service_has_a_name() -> None:
    with pytest.raises(Misconfigured, match="service is ''"):
        atalaia.instrument(Starlette(), service="")


class Carts:
    def __init__(self, **values: float) -> None:
        self.values = values

    def gauges(self) -> Mapping[str, float]:
        return self.values

    def counters(self) -> Mapping[str, float]:
        return {}


class Broken(Carts):
    def gauges(self) -> Mapping[str, float]:
        raise KeyError("carts")


class Timed(Carts):
    def histograms(self) -> Mapping[str, HistogramDelta]:
        recorded = Histogram()
        recorded.record(0.5)
        return {"carts.age": HistogramDelta.of(recorded)}


def contents(*meters: Meter) -> Contents:
    reported = Reported("shop", AppSettings.load(), Recorder(200), SystemClock(), meters)
    return Contents(reported, asyncio.get_running_loop(), "shop-1")


async def test_the_applications_own_series_go_along() -> None:
    made = contents(Carts(carts=3.0), Timed())
    assert made.gauges()["carts"] == 3.0
    assert made.histograms()["carts.age"].count == 1
    made.close()


async def test_own_series_that_cannot_be_sent_are_left_out_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = contents(Broken(), Carts(**{"not a name": 1.0}), Carts(nan=float("nan")), Carts(fine=1))
    for _ in range(2):
        own = {series for series in made.gauges() if not series.startswith("process.")}
        assert own == {"fine"}
    assert len(caplog.records) == 1
    made.close()


async def test_what_is_reserved_is_enough_for_the_process_itself() -> None:
    made = contents()
    in_flight = len(METHODS) + 2  # `_OTHER`, and connections
    other = 10 + 2 + 1  # by class of status, sizes, connections
    assert len(made.gauges()) + len(made.counters()) + in_flight + other <= RESERVED
    made.close()
