"""A bounded number of series, whatever comes; and nothing that came is left out of the count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atalaia.asgi.recorder import Recorder
from atalaia.stats import Histogram
from tests.unit.asgi.measured import Measured, Wire, requests_in, scope
from tests.unit.asgi.test_frameworks import starlette

requests = st.tuples(
    st.sampled_from(["GET", "POST", "_OTHER"]),
    st.one_of(st.none(), st.text(max_size=3)),
    st.integers(100, 599),
    st.one_of(st.none(), st.text(min_size=1, max_size=3)),
)


def series_of(recorder: Recorder) -> int:
    return len(recorder.take()) + len(recorder.gauges())


async def test_ten_thousand_made_up_paths_and_methods_are_a_handful_of_series() -> None:
    measured = Measured(starlette())
    wire = Wire()
    for number in range(10_000):
        await measured.app(scope(f"/nothing/{number}"), wire.receive, wire.send)
        await measured.app(scope("/nothing", method=f"VERB{number}"), wire.receive, wire.send)
    seen = measured.recorder.take()
    assert requests_in(seen) == {
        ("GET", "_unmatched", "404", None): 10_000,
        ("_OTHER", "_unmatched", "404", None): 10_000,
    }
    assert len(seen) + len(measured.recorder.gauges()) <= 10


def test_ten_thousand_routes_are_at_most_the_series_that_are_set() -> None:
    recorder = Recorder(200)
    for number in range(10_000):
        recorder.request("GET", f"/made/up/{number}", 200 + number % 300, None, 0.1, 0, 0)
    taken = recorder.take()
    assert len(taken) <= 200
    assert sum(requests_in(taken).values()) == 10_000


def test_what_is_beyond_the_limit_still_tells_failures_from_successes() -> None:
    recorder = Recorder(60)
    for number in range(100):
        recorder.request("GET", f"/{number}", 200, None, 0.1, 0, 0)
    recorder.take()
    recorder.request("GET", "/new", 204, None, 0.1, 0, 0)
    recorder.request("PUT", "/newer", 503, "Broken", 0.1, 0, 0)
    assert requests_in(recorder.take()) == {
        ("_OTHER", "_other", "2xx", None): 1,
        ("_OTHER", "_other", "5xx", None): 1,
    }


@given(st.lists(requests, max_size=200), st.integers(60, 120))
def test_every_request_is_counted_within_the_limit(
    some: list[tuple[str, str | None, int, str | None]], most: int
) -> None:
    recorder = Recorder(most)
    for method, route, status, error in some:
        recorder.request(method, route, status, error, 0.1, 0, 0)
    taken = recorder.take()
    assert sum(requests_in(taken).values()) == len(some)
    assert len(taken) <= most


def test_what_is_taken_is_not_taken_again() -> None:
    recorder = Recorder(200)
    recorder.request("GET", "/", 200, None, 0.1, 3, 5)
    assert sum(requests_in(recorder.take()).values()) == 1
    assert recorder.take() == {}
    recorder.request("GET", "/", 200, None, 0.2, 3, 5)
    (duration,) = [one for series, one in recorder.take().items() if "duration" in series]
    assert isinstance(duration, Histogram)
    assert (duration.count, duration.min) == (1, 0.2)
