"""History in columns, and the points made of it."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.metrics import HistogramDelta, MetricsBatch
from atalaia.stats import Histogram
from services.api.domain.history import SubjectHistory
from services.api.domain.performance import Performance, summarise
from services.api.domain.points import bucketed, kind_of, series_of

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DURATION = (
    'http.server.request.duration{http.request.method="GET",http.response.status_code="%s",http.route="/a"}'
)


def batch(after_s: float, *, start_s: float | None = None, **columns: dict[str, float]) -> MetricsBatch:
    return MetricsBatch(
        source="a",
        kind="app",
        at=T0 + timedelta(seconds=after_s),
        interval_s=10,
        start=None if start_s is None else T0 + timedelta(seconds=start_s),
        **columns,
    )


def history(*batches: MetricsBatch, most: int = 1000) -> SubjectHistory:
    made = SubjectHistory(most)
    for sequence, one in enumerate(batches, 1):
        made.add(one, sequence)
    return made


def points(
    made: SubjectHistory, metric: str, *, raw: bool = False, limit: int = 1000
) -> list[list[float | int | None]]:
    kind = kind_of(made, metric)
    assert kind is not None
    ((_, found),) = series_of(made, metric, kind, since_s=float("-inf"), limit=limit, raw=raw)
    return [[(point[0] or 0) - T0.timestamp(), *point[1:]] for point in found]


def test_a_gauge_is_its_readings_oldest_first() -> None:
    made = history(batch(0, gauges={"g": 1.0}), batch(10, gauges={"g": 2.0}))
    assert points(made, "g") == [[0, 1.0], [10, 2.0]]


def test_a_series_that_comes_and_goes_has_only_the_points_it_had() -> None:
    made = history(batch(0, gauges={}), batch(10, gauges={"g": 2.0}), batch(20), batch(30, gauges={"g": 3.0}))
    assert points(made, "g") == [[10, 2.0], [30, 3.0]]


def test_a_counter_is_a_rate_a_second_or_its_readings() -> None:
    made = history(batch(0, counters={"c": 5.0}), batch(10, counters={"c": 25.0}))
    assert points(made, "c") == [[10, 2.0]]
    assert points(made, "c", raw=True) == [[0, 5.0], [10, 25.0]]


def test_a_counter_that_starts_anew_counts_from_zero() -> None:
    fell = history(batch(0, counters={"c": 50.0}), batch(10, counters={"c": 20.0}))
    assert points(fell, "c") == [[10, 2.0]]
    restarted = history(
        batch(0, start_s=-60, counters={"c": 5.0}), batch(10, start_s=5, counters={"c": 20.0})
    )
    assert points(restarted, "c") == [[10, 2.0]]


def test_the_limit_keeps_the_newest_and_a_rate_looks_at_the_one_before() -> None:
    made = history(*(batch(10 * n, counters={"c": 10.0 * n}) for n in range(5)))
    assert points(made, "c", limit=2) == [[30, 1.0], [40, 1.0]]


def test_late_and_repeated_messages_change_nothing() -> None:
    made = history(batch(0, gauges={"g": 1.0}), batch(10, gauges={"g": 2.0}), batch(10, gauges={"g": 9.0}))
    made.add(batch(5, gauges={"g": 9.0}), 9)
    assert points(made, "g") == [[0, 1.0], [10, 2.0]]


def test_the_oldest_go_once_there_are_too_many() -> None:
    made = history(*(batch(n, gauges={"g": float(n)}) for n in range(25)), most=10)
    assert [value for _, value in points(made, "g")] == [float(n) for n in range(15, 25)]


def test_a_clock_set_back_forgets_the_future_it_had_seen() -> None:
    late = [batch(-100 + n, gauges={"g": float(n)}) for n in range(6)]
    made = history(batch(0, gauges={"g": 7.0}), *late)
    assert points(made, "g") == [[-95, 5.0]]


def delta(*values: float) -> HistogramDelta:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return HistogramDelta.of(histogram)


def app(after_s: float, histograms: dict[str, HistogramDelta]) -> MetricsBatch:
    return batch(after_s).model_copy(update={"histograms": histograms})


def test_a_histogram_is_count_sum_and_percentiles() -> None:
    made = history(app(0, {"h": delta(1.0, 1.0, 1.0, 4.0)}))
    ((_, count, total, p50, p95, p99),) = points(made, "h")
    assert (count, total) == (4, 7.0)
    assert p50 is not None and p95 is not None and p99 is not None
    assert abs(p50 - 1.0) <= 0.025 and abs(p95 - 4.0) <= 0.1 and p95 == p99


def test_performance_merges_instances_and_status_codes() -> None:
    one = history(app(10, {DURATION % 200: delta(0.1, 0.2), DURATION % 500: delta(0.4)}))
    two = history(app(10, {DURATION % 200: delta(0.1)}), app(20, {DURATION % 200: delta(0.2, 0.2)}))
    summary = summarise([("shop", one), ("shop", two)], now_s=T0.timestamp() + 20, window_s=300)
    covered_s, (found,) = summary.covered_s, summary.endpoints
    assert covered_s == 20
    assert (found.service, found.method, found.route) == ("shop", "GET", "/a")
    assert (found.requests, found.rate, found.error_rate) == (6, 0.3, 1 / 6)
    assert (found.min_s, found.max_s) == (0.1, 0.4)


def test_performance_counts_the_window_alone() -> None:
    made = history(app(0, {DURATION % 200: delta(9.0)}), app(100, {DURATION % 200: delta(0.1)}))
    summary = summarise([("shop", made)], now_s=T0.timestamp() + 100, window_s=60)
    covered_s, (found,) = summary.covered_s, summary.endpoints
    assert (covered_s, found.requests, found.max_s) == (10, 1, 0.1)


def test_performance_of_nothing_is_empty() -> None:
    assert summarise([], now_s=0.0, window_s=300) == Performance(0.0, [], [])


VALUES = st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=1, max_size=12)


@given(VALUES, st.integers(1, 13), st.integers(-1, 12), st.sampled_from([None, 0, 30]))
def test_points_with_gaps_are_those_of_the_plain_rule(
    values: list[int | None], limit: int, since: int, start_s: int | None
) -> None:
    made = history(
        *(
            batch(n, start_s=start_s, counters={} if value is None else {"c": value}, gauges={"other": 1})
            for n, value in enumerate(values)
        )
    )
    readings, rates, before = [], [], None
    for n, value in enumerate(values):
        if value is None:
            continue
        if n >= max(since, len(values) - limit):
            readings.append((n, value))
            if before is not None:
                increase = value if value < before[1] else value - before[1]
                rates.append((n, increase / (n - before[0])))
        before = (n, value)
    if "c" not in made.counters:
        return
    for raw, expected in ((True, readings), (False, rates)):
        ((_, found),) = series_of(made, "c", "counter", since_s=T0.timestamp() + since, limit=limit, raw=raw)
        assert [tuple(point) for point in found] == [(T0.timestamp() + n, value) for n, value in expected]


@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e4)), max_size=30), st.integers(4, 8), st.booleans())
def test_a_histograms_point_has_its_quantiles(values: list[float], scale: int, extremes: bool) -> None:
    histogram = Histogram(scale=scale)
    for value in values:
        histogram.record(value)
    delta = HistogramDelta.of(histogram)
    if not extremes:
        delta = delta.model_copy(update={"min": None, "max": None})
    made = history(app(0, {DURATION % 200: delta}))
    expected = [Histogram.from_dense(delta).quantile(q) for q in (0.5, 0.95, 0.99)]
    assert points(made, "http.server.request.duration") == [[0.0, delta.count, delta.sum, *expected]]
    assert points(made, "http.server.request.duration") == [[0.0, delta.count, delta.sum, *expected]]


def test_series_are_chosen_by_their_labels() -> None:
    made = history(batch(0, gauges={'g{a="1",b="1"}': 1.0, 'g{a="1",b="2"}': 2.0, "g": 3.0}))
    found = series_of(
        made, "g", "gauge", since_s=float("-inf"), limit=10, raw=False, labels=(("a", "1"), ("b", "2"))
    )
    assert [(labels, [value for _, value in some]) for labels, some in found] == [
        ({"a": "1", "b": "2"}, [2.0])
    ]


@given(
    st.lists(
        st.tuples(st.integers(4, 7), st.lists(st.floats(0.0001, 1000), max_size=20), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_buckets_of_several_series_are_those_of_all_their_values(
    several: list[tuple[int, list[float], int]],
) -> None:
    deltas, together = [], Histogram(scale=2)
    for scale, values, zeros in several:
        one = Histogram(scale=scale)
        for value in [*values, *[0.0] * zeros]:
            one.record(value)
            together.record(value)
        deltas.append(HistogramDelta.of(one))
    at_s, zero_count, offset, counts = bucketed(5.0, deltas)
    assert (at_s, zero_count) == (5.0, together.zero_count)
    assert {offset + k: n for k, n in enumerate(counts) if n} == together.buckets


def test_a_history_tells_what_came_after_a_message() -> None:
    made = history(*(batch(10.0 * n, gauges={"g": 1.0}) for n in range(5)), most=2)
    began = T0.timestamp()
    assert [made.after(sequence) - began for sequence in (2, 3, 4)] == [20.0, 30.0, 40.0]
    assert (made.after(5), made.until(4) - began, made.until(0)) == (float("inf"), 30.0, float("-inf"))


@given(
    st.lists(st.tuples(st.permutations("abcd"), st.integers(0, 4), st.integers(0, 4)), max_size=12),
    st.integers(1, 12),
)
def test_rows_of_any_series_in_any_order_keep_their_values(
    rows: list[tuple[list[str], int, int]], most: int
) -> None:
    batches = [
        batch(n, gauges=dict.fromkeys(names[:some], n), counters=dict.fromkeys(names[others:], n))
        for n, (names, some, others) in enumerate(rows)
    ]
    made = history(*batches, most=most)
    kept = [int(at_s - T0.timestamp()) for at_s in made.at_s]
    for name in "abcd":
        for columns, sent in (
            (made.gauges, [one.gauges for one in batches]),
            (made.counters, [one.counters for one in batches]),
        ):
            column = columns.get(name, array("d"))
            found = [(at, value) for at, value in zip(kept, column, strict=False) if value == value]
            assert found == [(at, at) for at in kept if name in sent[at]]


def test_a_clock_set_back_leaves_messages_in_order() -> None:
    late = [batch(100.0 + n, gauges={"g": 2.0}) for n in range(6)]
    made = history(batch(0, gauges={"g": 1.0}), batch(1000, gauges={"g": 9.0}), *late)
    assert len(made.sequences) == len(made.at_s)
    assert list(made.sequences) == sorted(made.sequences)
