"""Ranges longer than the stream keeps, from a real Prometheus; and from one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from atalaia.errors import Invalid, Refused, Transient
from services.api.adapters import prometheus as adapter
from services.api.adapters.probes import http_probe
from services.api.adapters.prometheus import PrometheusRanges
from services.api.domain.ranges import Range
from tests.system.ranges import AWKWARD, EVERY_S, MOMENTS, Setting, beside_prometheus, door


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with beside_prometheus(tmp_path_factory.mktemp("ranges")) as setting:
        yield setting


def test_a_gauge_reaches_back_as_far_as_prometheus_under_its_own_labels(setting: Setting) -> None:
    answer = setting.from_prometheus("queue.depth")
    (series,) = answer["series"]
    assert series["labels"] == {"queue.name": AWKWARD, "job": "night"}
    assert (series["source"], series["kind"]) == ("kept", "app")
    points = series["points"]
    assert 190 <= len(points) <= 1000
    assert points[0][0] < setting.began_s + 60
    for at_s, value in points:
        assert value == min((at_s - setting.began_s) // EVERY_S, MOMENTS - 1)


def test_a_counter_is_a_rate_a_second_or_its_readings(setting: Setting) -> None:
    (rates,) = setting.from_prometheus("jobs.done")["series"]
    assert [rate for _, rate in rates["points"][10:100]] == pytest.approx([2.0] * 90)
    (raw,) = setting.from_prometheus("jobs.done", as_="raw")["series"]
    assert raw["points"][-1][1] == 2.0 * EVERY_S * (MOMENTS - 1)


def test_a_histogram_has_count_sum_and_percentiles_of_each_step(setting: Setting) -> None:
    (series,) = setting.from_prometheus("http.server.request.duration")["series"]
    assert series["labels"] == {"http.route": "/a"}
    _, count, total, p50, p95, p99 = series["points"][50]
    assert (count, total) == (pytest.approx(15), pytest.approx(1.5))
    assert 0.08 < p50 <= p95 <= p99 <= 0.126


def test_a_label_is_asked_for_however_awkward(setting: Setting) -> None:
    answer = setting.from_prometheus("queue.depth", label=f"queue.name={AWKWARD}")
    assert len(answer["series"]) == 1
    _, none = setting.history("queue.depth", label="queue.name=other")
    assert none["series"] == []


def test_a_limit_is_kept_over_the_whole_range(setting: Setting) -> None:
    (series,) = setting.from_prometheus("queue.depth", limit="10")["series"]
    points = series["points"]
    assert 9 <= len(points) <= 10
    assert points[0][0] < setting.began_s + 700


def test_a_range_far_longer_than_what_there_is_comes_in_fine_steps(setting: Setting) -> None:
    # the first answer in steps of a week, the last one in what that leaves
    (series,) = setting.from_prometheus("queue.depth", back_s=20 * 365 * 86400)["series"]
    assert len(series["points"]) >= 190


def test_what_the_stream_holds_is_not_asked_of_prometheus(setting: Setting) -> None:
    before = len(setting.door.forms)
    origin, answer = setting.history("queue.depth", back_s=EVERY_S * 3)
    assert (origin, len(setting.door.forms)) == ("stream", before)
    assert len(answer["series"][0]["points"]) >= 2


def test_buckets_stay_with_the_stream(setting: Setting) -> None:
    origin, answer = setting.history("http.server.request.duration", as_="buckets")
    assert (origin, len(answer["series"][0]["points"])) == ("stream", 5)


@pytest.mark.parametrize("way", ["silent", "nonsense", "422", "503", "another protocol"])
def test_without_prometheus_the_stream_answers_and_again_afterwards(setting: Setting, way: str) -> None:
    setting.from_prometheus("queue.depth")
    setting.door.way = way
    try:
        origin, answer = setting.history("queue.depth")
    finally:
        setting.door.way = "through"
    assert origin == "stream"
    assert [value for _, value in answer["series"][0]["points"]] == [195, 196, 197, 198, 199]
    setting.from_prometheus("queue.depth")


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
