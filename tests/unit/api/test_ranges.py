"""What Prometheus is asked for a longer range, and what of its answer is taken."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Invalid
from services.api.domain.points import Point
from services.api.domain.question import Sources
from services.api.domain.ranges import (
    Line,
    Range,
    SeriesPoints,
    further,
    narrowed,
    points_of,
    query_of,
    range_of,
    read_matrix,
    replaced,
    shares_its_name,
)

NOW_S = 1_790_000_000.25
HOUR_S, DAY_S = 3600.0, 86400.0
ALL = Sources()


def series(points: list[Point], source: str = "a", **labels: str) -> SeriesPoints:
    own = {key.replace("__", "."): value for key, value in labels.items()}
    return SeriesPoints(source=source, kind="host", labels=own, points=points)


def stored(source: str = "a", **labels: str) -> dict[str, str]:
    """Return labels as Prometheus has them."""
    return {"source": source, "kind": "host", "group": source, **labels}


def answered(body: Any) -> bytes:
    return json.dumps(body).encode()


@given(st.floats(1.0, 1e9), st.integers(1, 1000))
def test_a_range_ends_now_keeps_the_limit_and_begins_after_since(back_s: float, limit: int) -> None:
    asked = range_of(NOW_S - back_s, NOW_S, limit)
    moments = (asked.end_s - asked.start_s) / asked.step_s + 1
    assert asked.end_s == NOW_S
    assert round(moments) <= limit
    assert asked.start_s >= NOW_S - back_s - 1e-3


@pytest.mark.parametrize(
    ("back_s", "limit", "step_s"),
    [(HOUR_S, 1000, 15), (DAY_S, 1000, 87), (7 * DAY_S, 1000, 605), (HOUR_S, 10, 360)],
)
def test_a_step_is_as_fine_as_the_limit_allows_but_no_finer_than_a_scrape(
    back_s: float, limit: int, step_s: int
) -> None:
    assert range_of(NOW_S - back_s, NOW_S, limit).step_s == step_s


def test_what_begins_late_in_a_range_is_asked_for_again_with_finer_steps() -> None:
    asked = range_of(0.0, NOW_S, 1000)
    finer = narrowed(asked, NOW_S - DAY_S, 1000)
    assert finer is not None
    assert finer.start_s < NOW_S - DAY_S < finer.end_s
    assert finer.step_s < asked.step_s / 50


def test_what_fills_half_a_range_is_fine_enough() -> None:
    asked = range_of(NOW_S - DAY_S, NOW_S, 100)
    assert narrowed(asked, NOW_S - 0.6 * DAY_S, 100) is None


def test_steps_of_a_scrape_are_not_made_finer() -> None:
    asked = range_of(NOW_S - HOUR_S, NOW_S, 1000)
    assert narrowed(asked, NOW_S - 60, 1000) is None


def test_a_gauge_is_merged_over_the_replicas() -> None:
    query = query_of("system.cpu.utilization", "gauge", Sources("a", "host"), (), step_s=15)
    assert query == (
        'max without (instance, job) ({__name__="system_cpu_utilization_ratio",source="a",kind="host"})'
    )


def test_a_counter_is_a_rate_over_more_than_a_step_merged_afterwards() -> None:
    query = query_of("system.disk.io", "counter", ALL, (), step_s=605)
    assert query == 'max without (instance, job) (rate({__name__="system_disk_io_bytes_total"}[620s]))'


def test_a_raw_counter_is_its_readings() -> None:
    query = query_of("system.disk.io", "counter", ALL, (), step_s=15, raw=True)
    assert query == 'max without (instance, job) ({__name__="system_disk_io_bytes_total"})'


def test_a_short_step_has_a_window_in_which_a_scrape_may_be_missed() -> None:
    assert "[60s]" in query_of("jobs.done", "counter", ALL, (), step_s=15)


def test_what_would_end_a_selector_is_escaped() -> None:
    query = query_of("g", "gauge", Sources('x"} or vector(1) #'), (("queue", 'a\\"b\nc'),), step_s=15)
    assert query == (
        'max without (instance, job) ({queue="a\\\\\\"b\\nc",__name__="g",source="x\\"} or vector(1) #"})'
    )


def test_labels_that_are_also_the_targets_are_asked_for_as_they_are_stored() -> None:
    assert 'exported_job="night"' in query_of("g", "gauge", ALL, (("job", "night"),), step_s=15)


def test_a_label_asks_for_no_other_metric_or_source() -> None:
    labels = (("__name__", "secret"), ("source", "b"))
    query = query_of("g", "gauge", Sources("a"), labels, step_s=15)
    assert query == 'max without (instance, job) ({__name__="g",source="a"})'


def test_an_answer_is_read() -> None:
    body = answered(
        {
            "status": "success",
            "data": {"resultType": "matrix", "result": [{"metric": {"a": "b"}, "values": [[1.5, "2.25"]]}]},
        }
    )
    assert read_matrix(body) == [Line({"a": "b"}, [(1.5, 2.25)])]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        answered({"status": "error", "error": "no"}),
        answered({"status": "success", "data": {"resultType": "vector", "result": []}}),
        answered({"status": "success", "data": {"resultType": "matrix", "result": {}}}),
        answered({"status": "success", "data": {"resultType": "matrix", "result": [{"values": []}]}}),
        answered(
            {
                "status": "success",
                "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "x"]]}]},
            }
        ),
    ],
)
def test_nonsense_is_no_answer(body: bytes) -> None:
    with pytest.raises(Invalid, match="no answer of query_range"):
        read_matrix(body)


def test_what_is_no_number_is_no_point() -> None:
    body = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "NaN"], [2, "+Inf"], [3, "4"]]}]}
    lines = read_matrix(answered({"status": "success", "data": body}))
    assert points_of(lines, "gauge") == [({}, [(3.0, 4.0)])]


def test_a_histograms_parts_come_together() -> None:
    lines = [
        Line({"x": "1", "__part": "count"}, [(15, 3.0), (30, 0.0)]),
        Line({"x": "1", "__part": "sum"}, [(15, 0.6), (30, 0.0)]),
        Line({"x": "1", "__part": "0.5"}, [(15, 0.2), (30, float("nan"))]),
        Line({"x": "1", "__part": "0.95"}, [(15, 0.25)]),
        Line({"x": "1", "__part": "0.99"}, [(15, 0.3)]),
    ]
    assert points_of(lines, "histogram") == [
        ({"x": "1"}, [(15, 3.0, 0.6, 0.2, 0.25, 0.3), (30, 0.0, 0.0, None, None, None)])
    ]


def longer(held: list[SeriesPoints], *found: dict[str, str], labels: Any = ()) -> list[dict[str, str]]:
    lines: list[tuple[dict[str, str], list[Point]]] = [(one, [(100.0, 1.0), (900.0, 2.0)]) for one in found]
    return [one["labels"] for one in further(held, lines, labels, step_s=15)]


def test_a_series_gets_its_own_labels_back() -> None:
    held = [series([(900.0, 2.0)], http__route="/a", job="x", empty="")]
    assert longer(held, stored(http_route="/a", exported_job="x")) == [held[0]["labels"]]


def test_a_series_that_is_no_longer_there_is_told_by_the_keys_of_others() -> None:
    held = [series([(900.0, 2.0)], http__route="/a")]
    assert longer(held, stored("gone", http_route="/b")) == [{"http.route": "/b"}]


def test_a_key_that_may_be_several_is_not_guessed() -> None:
    assert longer([], stored("gone", http_route="/b")) == []
    held = [series([(900.0, 2.0)], http__route="/a"), series([(900.0, 2.0)], http_route="/a")]
    assert longer(held, stored("gone", http_route="/b")) == []
    assert longer(held, stored(http_route="/a")) == []


def test_a_key_without_underscores_is_its_own() -> None:
    assert longer([], stored("gone", cpu="0")) == [{"cpu": "0"}]


def test_only_series_with_the_labels_that_were_asked_for_are_taken() -> None:
    held = [series([(900.0, 2.0)], a_b="1")]
    assert longer(held, stored(a_b="1"), labels=(("a.b", "1"),)) == []
    assert longer(held, stored(a_b="1"), labels=(("a_b", "1"),)) == [{"a_b": "1"}]


def test_what_the_stream_has_as_far_back_stays() -> None:
    found: list[tuple[dict[str, str], list[Point]]] = [(stored(), [(100.0, 1.0), (115.0, 1.0)])]
    assert further([series([(114.0, 1.0)])], found, (), step_s=15) == []
    assert further([series([(115.0, 1.0)])], found, (), step_s=15) != []
    assert further([series([])], found, (), step_s=15) != []


def test_a_source_whose_group_was_another_is_one_series() -> None:
    found: list[tuple[dict[str, str], list[Point]]] = [
        (stored() | {"group": "new"}, [(30.0, 3.0)]),
        (stored() | {"group": "old"}, [(10.0, 1.0), (20.0, 2.0)]),
    ]
    (one,) = further([series([(99.0, 1.0)])], found, (), step_s=15)
    assert [at_s for at_s, *_ in one["points"]] == [10.0, 20.0, 30.0]
    assert all(before < after for (before, *_), (after, *_) in pairwise(one["points"]))  # type: ignore[operator]


def test_longer_series_take_their_place_and_others_come_behind() -> None:
    held = [series([(9.0, 1.0)], x="1"), series([(9.0, 1.0)], x="2")]
    found = [series([(1.0, 5.0)], "gone", x="1"), series([(1.0, 4.0)], x="2")]
    assert replaced(held, found) == [held[0], found[1], found[0]]


def test_metrics_that_are_one_to_prometheus_are_seen() -> None:
    assert shares_its_name("a.b", "gauge", ["a.b", "a_b"])
    assert not shares_its_name("a.b", "gauge", ["a.b", "a.b.c"])


def test_nothing_is_asked_for_before_time_began() -> None:
    assert range_of(-1e300, NOW_S, 1000) == range_of(0.0, NOW_S, 1000)
    assert isinstance(range_of(-1e300, NOW_S, 1000), Range)
