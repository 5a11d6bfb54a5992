"""Ranges longer than the stream keeps, from a Prometheus that fails."""

from __future__ import annotations

import asyncio

import pytest

from atalaia.errors import Invalid, Refused, Transient
from services.api.adapters import prometheus as adapter
from services.api.adapters.probes import http_probe
from services.api.adapters.prometheus import PrometheusRanges
from services.api.domain.ranges import Range
from tests.system.ranges import door

ASKED = Range(1000.0, 2000.0, 15)


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("silent", Transient),
        ("trickle", Transient),
        ("half", Transient),
        ("another protocol", Transient),
        ("503", Transient),
        ("nonsense", Invalid),
        ("422", Invalid),
    ],
)
async def test_each_failure_is_one_of_ours(
    way: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "WITHIN_S", 0.3)
    with door() as made:
        made.way = way
        with pytest.raises(error):
            await PrometheusRanges(made.url).lines("up", ASKED)


async def test_a_prometheus_that_is_away_is_soon_left_alone() -> None:
    with door() as made:
        url = made.url
    ranges = PrometheusRanges(url)
    for _ in range(2):
        with pytest.raises(Transient, match="refused"):
            await ranges.lines("up", ASKED)
    with pytest.raises(Refused):
        await ranges.lines("up", ASKED)


async def test_a_crowd_that_waits_for_it_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "WITHIN_S", 1.0)
    with door() as made:
        made.way = "silent"
        ranges = PrometheusRanges(made.url)
        crowd = [asyncio.create_task(ranges.lines("up", ASKED)) for _ in range(40)]
        await asyncio.sleep(0)  # they have asked
        await asyncio.to_thread(int)
        assert not any(one.done() for one in crowd)
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        assert all(isinstance(one, Transient) for one in answers)


async def test_more_than_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "MOST_BYTES", 10)
    with door() as made:
        made.way = "nonsense"
        with pytest.raises(Invalid, match="over 10 bytes"):
            await PrometheusRanges(made.url).lines("up", ASKED)


async def test_a_watched_address_that_speaks_something_else_is_down_and_ends_nothing() -> None:
    with door() as made:
        made.way = "another protocol"
        with pytest.raises(Transient):
            await http_probe(f"{made.url}/query_range")()
