"""Statistics of endpoints are what single requests would give, whoever measured them, whoever left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from atalaia.asgi.recorder import Recorder
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from services.api.domain.history import SubjectHistory
from services.api.domain.performance import Endpoint, summarise

BEGAN = datetime(2026, 11, 24, tzinfo=UTC)
INTERVAL_S = 5.0
Request = tuple[str, int, float]  # route, status, seconds


class Worker:
    """One instance: what it records goes to the history that a gateway keeps of it."""

    def __init__(self) -> None:
        self.recorder = Recorder(200)
        self.history = SubjectHistory(1000)
        self._sequence = 0

    def serve(self, *requests: Request) -> None:
        for route, status, duration_s in requests:
            self.recorder.request("GET", route, status, None, duration_s, 0, 0)

    def report(self, after_s: float, *, final: bool = False) -> None:
        histograms = {series: HistogramDelta.of(one) for series, one in self.recorder.take().items()}
        at = BEGAN + timedelta(seconds=after_s)
        self._sequence += 1
        batch = MetricsBatch(
            source="w", kind="app", at=at, interval_s=INTERVAL_S, histograms=histograms, final=final
        )
        self.history.add(batch, self._sequence)


def seen(*workers: Worker, now_s: float = 100.0, window_s: float = 300.0) -> dict[str, Endpoint]:
    sources = [("shop", worker.history) for worker in workers]
    found = summarise(sources, now_s=BEGAN.timestamp() + now_s, window_s=window_s)
    return {one.route: one for one in found.endpoints}


requests = st.lists(
    st.tuples(st.sampled_from(["/a", "/b"]), st.sampled_from([200, 404, 500]), st.floats(1e-4, 10)),
    max_size=30,
)


@given(st.lists(st.lists(requests, max_size=4), min_size=1, max_size=4))
def test_the_counts_are_those_of_single_requests(reports_of_each: list[list[list[Request]]]) -> None:
    workers = []
    for reports in reports_of_each:
        worker = Worker()
        for position, some in enumerate(reports):
            worker.serve(*some)
            worker.report(10.0 * position, final=position == len(reports) - 1)
        workers.append(worker)
    every = [request for reports in reports_of_each for some in reports for request in some]
    found = seen(*workers)
    for route in ("/a", "/b"):
        mine = [request for request in every if request[0] == route]
        assert (route in found) == bool(mine)
        if mine:
            durations = [duration_s for _, _, duration_s in mine]
            failures = sum(status == 500 for _, status, _ in mine)
            one = found[route]
            assert (one.requests, one.error_rate) == (len(mine), failures / len(mine))
            assert (one.min_s, one.max_s) == (min(durations), max(durations))


def test_what_a_last_message_tells_counts() -> None:
    worker = Worker()
    worker.serve(("/a", 200, 0.1))
    worker.report(10.0)
    worker.serve(("/a", 200, 0.1), ("/a", 500, 0.1))
    worker.report(12.0, final=True)
    assert (seen(worker)["/a"].requests, seen(worker)["/a"].error_rate) == (3, 1 / 3)


def test_a_window_counts_what_was_reported_in_it() -> None:
    worker = Worker()
    for after_s in (10.0, 20.0, 30.0):
        worker.serve(("/a", 200, 0.1))
        worker.report(after_s)
    assert seen(worker, now_s=31.0, window_s=15.0)["/a"].requests == 2


def test_a_last_message_without_anything_is_no_point() -> None:
    worker = Worker()
    worker.report(10.0, final=True)
    assert len(worker.history.at_s) == 0


def test_a_services_percentiles_are_those_of_all_its_requests() -> None:
    worker, other = Worker(), Worker()
    worker.serve(*[("/fast", 200, 0.01)] * 90)
    other.serve(*[("/slow", 500, 1.0)] * 10)
    for one in (worker, other):
        one.report(10.0)
    sources = [("shop", one.history) for one in (worker, other)]
    (shop,) = summarise(sources, now_s=BEGAN.timestamp() + 11, window_s=60.0).services
    assert (shop.requests, shop.error_rate) == (100, 0.1)
    assert shop.p50_s is not None and shop.p95_s is not None
    assert abs(shop.p50_s / 0.01 - 1) < 0.03
    assert abs(shop.p95_s / 1.0 - 1) < 0.03
