from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as xml

import pytest

from services.loadgen.adapters.outputs import written
from services.loadgen.cli.live import Lines, Terminal, bars, line_of, view
from services.loadgen.cli.summary import summary
from services.loadgen.domain.calibration import Calibration
from services.loadgen.domain.conclusion import conclude, exit_code
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.plan import Open, Plan, Request, Stage
from services.loadgen.domain.result import Outcome
from services.loadgen.domain.slo import parse
from services.loadgen.domain.totals import Totals
from services.loadgen.domain.window import Window

SCRIPT = "<script>alert('&')</script>"


def outcome(
    *,
    number: int = 500,
    timeouts: int = 3,
    lag_ms: float = 0.1,
    slos: tuple[str, ...] = ("p99<1ms", "p95<9s"),
) -> Outcome:
    plan = Plan("r", (Request(f"http://127.0.0.1/{SCRIPT}"),), Open((Stage(2, 250, 250),)))
    totals = Totals()
    for index in range(2):
        response, lag = Histogram(), Histogram()
        response.record([ms * 1_000_000 for ms in range(1, number // 2 + 1)])
        lag.record([int(lag_ms * 1e6)] * (number // 2))
        counts: Counter[str] = Counter(sent=number // 2, ok=number // 2 - timeouts, timeouts=timeouts)
        delta = response.take()
        histograms = {"response": delta, "service": delta, "latency": delta, "lag": lag.take()}
        totals.add(
            Window(
                index, index, index + 1, counts, Counter(odd=1), Counter({"200": 9}), histograms=histograms
            )
        )
    return conclude(
        plan,
        totals,
        Ending(sending_s=2.0, ended_s=2.1),
        slos=[parse(text) for text in slos],
        sliding=[],
        started_at="2026-11-25T00:00:00.000000Z",
        finished_at="2026-11-25T00:00:02.000000Z",
        calibration=Calibration(1000.0, 0.0001, 0.0002),
        lost=[],
        interrupted=False,
        aborted="",
    )


def test_junit_has_a_case_for_the_measurement_and_for_each_slo() -> None:
    suite = xml.fromstring(written("junit", outcome(slos=("p99<1ms", "p99.9<1s", "p95<9s"))))
    cases = {case.get("name"): [child.tag for child in case] for case in suite.findall("testcase")}
    assert cases == {"measurement": [], "p99<1ms": ["failure"], "p99.9<1s": ["skipped"], "p95<9s": []}
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")


def test_an_invalid_measurement_is_an_error_in_junit() -> None:
    suite = xml.fromstring(written("junit", outcome(lag_ms=900)))
    assert suite.get("errors") == "1"
    assert suite.find("testcase/error") is not None


def test_k6_has_the_numbers_that_gitlab_shows() -> None:
    metrics = json.loads(written("k6", outcome()))["metrics"]
    assert metrics["http_reqs"] == {"count": 500, "rate": 250.0}
    assert metrics["http_req_waiting"]["p(90)"] == pytest.approx(225, rel=0.001)
    assert metrics["http_req_waiting"]["p(95)"] == pytest.approx(238, rel=0.001)


def test_csv_has_a_line_a_second() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", outcome()))))
    assert [(row["index"], row["sent"]) for row in rows] == [("0", "250"), ("1", "250")]


def test_hgrm_rises_to_the_maximum_and_counts_everything() -> None:
    lines = written("hgrm", outcome()).splitlines()
    body = [line.split() for line in lines[2:] if not line.startswith("#")]
    values, ranks = [float(line[0]) for line in body], [int(line[2]) for line in body]
    assert values == sorted(values)
    assert (values[-1], ranks[-1], body[-1][3]) == (250.0, 500, "inf")
    assert "Total count    =          500]" in lines[-2]


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_is_one_file_without_scripts_whatever_the_target_is_called() -> None:
    seen = _Seen()
    seen.feed(written("html", outcome()))
    assert seen.tags["svg"] >= 4
    assert (seen.tags["script"], seen.links) == (0, [])


def test_the_report_tells_of_the_measurement_itself() -> None:
    page = written("html", outcome(number=4000))
    for said in ("95 % sure of the response time: p50 ", "a server that does nothing", "Little"):
        assert said in page


def test_the_summary_fits_a_terminal() -> None:
    lines = summary(outcome()).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24


def test_both_marks_of_percentiles_fit_a_terminal() -> None:
    doubted = outcome()
    object.__setattr__(doubted, "response", replace(doubted.response, thin=("p99",), at_least=("p999",)))
    lines = summary(doubted).splitlines()
    assert any("~ too few" in line and "≥ at least" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_summary_names_doubt_floor_and_littles_law() -> None:
    text = summary(outcome(number=4000))
    assert "95 % sure   p50 " in text
    assert "floor       p50 100 µs, p99 200 µs" in text
    body = json.loads(written("json", outcome(number=4000)))
    low, high = body["response"]["intervals_s"]["p50"]
    assert low <= body["response"]["p50_s"] <= high
    assert body["generator"]["floor"]["p99_s"] == 0.0002
    assert body["littles_law"]["holds"] is None
    assert body["steadiness"]["steady"] is None


def test_exit_codes_say_the_worst() -> None:
    assert exit_code(outcome(slos=()), regressed=False, signalled=None) == 0
    assert exit_code(outcome(slos=()), regressed=True, signalled=None) == 5
    assert exit_code(outcome(), regressed=True, signalled=None) == 3
    assert exit_code(outcome(lag_ms=900), regressed=True, signalled=None) == 4
    assert exit_code(outcome(lag_ms=900), regressed=True, signalled=15) == 143


def test_the_books_of_a_run_that_lost_a_request_do_not_balance() -> None:
    totals = Totals()
    totals.add(Window(0, 0, 1, Counter(sent=5, ok=3, http_errors=1)))
    assert [totals.balanced(in_flight) for in_flight in (0, 1, 2)] == [False, True, False]


def test_warm_up_is_in_the_books_and_not_in_the_times() -> None:
    totals = Totals(warmup_s=1.0)
    for index in range(3):
        histogram = Histogram()
        histogram.record([1_000_000] * 10)
        counts: Counter[str] = Counter(sent=10, ok=10)
        totals.add(Window(index, index, index + 1, counts, histograms={"response": histogram.take()}))
    assert (totals.counts["sent"], totals.judged["sent"]) == (30, 20)
    assert totals.histograms["response"].count == 20


def test_a_second_in_a_line_and_in_bars() -> None:
    assert "250" in line_of(outcome().totals.rows[0]).replace(",", "") or line_of(outcome().totals.rows[0])
    assert bars([0, 1, 2]) == " ▄█"
    assert bars([]) == ""


def test_the_live_view_draws_over_itself_and_clears_up() -> None:
    screen = io.StringIO()
    drawn = Terminal(screen)
    run = outcome()
    drawn.started({"run_id": "r", "load": "250/s", "target": "http://127.0.0.1/", "duration_s": 2.0})
    for row in run.totals.rows:
        drawn.window(Window(row.index, row.from_s, row.to_s), row)
    drawn.finished(run.to_json())
    text = screen.getvalue()
    assert text.count("ok/s") == 2
    assert text.count("\x1b[6A") == 2
    assert text.endswith("\r\x1b[J")


def test_without_a_terminal_there_are_lines_and_quiet_is_quiet() -> None:
    assert isinstance(view(False, False, io.StringIO()), Lines)
    assert view(False, True, io.StringIO()) is None
