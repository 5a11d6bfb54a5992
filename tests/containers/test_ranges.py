"""Ranges longer than the stream keeps, from a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.ranges import AWKWARD, EVERY_S, MOMENTS, Setting, beside_prometheus


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
