"""Rules that look at a group: percentiles and shares of merged histograms."""

from __future__ import annotations

from atalaia.events.matching import Condition
from atalaia.events.metrics import HistogramDelta, MetricsBatch
from services.alerting.domain.rules import Rule
from tests.unit.alerting.builders import C, Court, W, batch, delta

DURATION = "http.server.request.duration"
SLOW = Rule("slow", DURATION, ((W, 1.0), (C, 5.0)), by="group", function="p95", window_s=60.0, for_s=60.0)
ERRORS = Rule(
    "errors",
    DURATION,
    ((W, 0.01), (C, 0.10)),
    by="group",
    function="share",
    window_s=60.0,
    for_s=60.0,
    of=(Condition("http.response.status_code", "=~", "5.."),),
)


def status(code: int) -> str:
    return f'{DURATION}{{http.response.status_code="{code}"}}'


def app(after_s: float, source: str, events: dict[str, HistogramDelta]) -> MetricsBatch:
    return batch(after_s, source=source, kind="app", group="shop", histograms=events)


def test_the_percentile_is_of_all_instances_together() -> None:
    court = Court(SLOW)
    slow, fast = {status(200): delta(*[2.0] * 10)}, {status(200): delta(*[0.1] * 10)}
    assert court.hear(app(0, "a", slow), app(0, "b", fast)) == []
    assert court.hear(app(30, "a", slow), app(30, "b", fast)) == []
    assert court.hear(app(60, "a", slow), app(60, "b", fast)) == ["fired warning"]
    event = next(change.event() for change in court.changes if change.transition)
    assert (event.source, event.group, event.series) == ("shop", "shop", DURATION)


def test_a_share_counts_events_not_series() -> None:
    court = Court(ERRORS)
    events = {status(200): delta(*[0.1] * 98), status(503): delta(0.1, 0.1)}
    assert court.hear(app(0, "a", events), app(60, "a", events)) == ["fired warning"]


def test_no_events_are_neither_good_nor_bad() -> None:
    court = Court(ERRORS)
    events = {status(500): delta(*[0.1] * 10)}
    assert court.hear(app(0, "a", events), app(60, "a", events)) == ["fired critical"]
    assert court.hear(app(130, "a", {}), app(200, "a", {})) == []
    assert court.hear(app(260, "a", {status(200): delta(*[0.1] * 100)})) == ["resolved recovery"]


def test_a_group_is_stale_when_all_its_sources_are() -> None:
    court = Court(ERRORS)
    events = {status(500): delta(*[0.1] * 10)}
    court.hear(app(0, "a", events), app(0, "b", events), app(60, "a", events))
    court.hear(app(61, "b", events))
    assert court.listen(50) == []
    court.hear(app(110, "a", events))
    assert court.listen(30) == []
    assert court.listen(40) == ["went_stale critical"]


def test_a_group_has_left_when_its_last_source_has() -> None:
    court = Court(ERRORS)
    events = {status(500): delta(*[0.1] * 10)}
    court.hear(app(0, "a", events), app(0, "b", events), app(60, "a", events))
    assert court.hear(batch(70, source="a", kind="app", group="shop", final=True)) == []
    assert court.hear(batch(71, source="b", kind="app", group="shop", final=True)) == ["resolved source_left"]


def test_a_restart_in_the_middle_of_a_window_judges_the_same() -> None:
    slow = {status(200): delta(*[2.0] * 10)}
    messages = [app(10.0 * n, "ab"[n % 2], slow) for n in range(8)]
    for cut in range(len(messages)):
        court = Court(SLOW)
        said = court.hear(*messages[:cut])
        court.restart()
        said += court.hear(*messages[cut:])
        assert said == ["fired warning"], cut
