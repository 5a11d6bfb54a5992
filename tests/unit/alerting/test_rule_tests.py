"""`rules test`: what a team's tests say of its rules."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Misconfigured
from services.alerting.cli.commands import main
from services.alerting.cli.files import stock_rules
from services.alerting.domain.rehearsal import BEGINS_AT, rehearse
from services.alerting.domain.rule_tests import RuleTest, Sender
from services.alerting.domain.rule_tests_file import load_rule_tests
from services.alerting.domain.rules import Rules
from services.alerting.domain.verdicts import failures
from tests.unit.alerting.builders import CPU, HIGH_CPU, T0, Court, cpu, spoken

BUSY = """\
tests:
  - name: busy
    every: 30s
    sources:
      - source: web-1
        gauges: {system.cpu.utilization: 0.2 0.92x4 0.2}
"""


def run(text: str, folder: Path, capsys: pytest.CaptureFixture[str], rules: str = "") -> tuple[int, str]:
    (folder / "team.yaml").write_text(rules)
    file = folder / "team_test.yaml"
    file.write_text(text)
    code = main(["rules", "test", str(file)])
    said = capsys.readouterr()
    return code, (said.out + said.err).replace(str(folder) + "/", "")


def test_what_happens_as_expected_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        BUSY
        + """\
    expect:
      - at: 30s
        alerts: [{rule: high-cpu, state: pending}]
      - at: 90s
        alerts:
          - {rule: high-cpu, source: web-1, kind: host, group: web-1, series: system.cpu.utilization,
             severity: error, state: firing, stale: false, value: 0.92, threshold: 0.9, labels: {},
             summary: "CPU of web-1 at 92 % for 1 min", description: "", runbook_url: ""}
      - {at: 150s, alerts: []}
    transitions:
      - {at: 90s, transition: fired, severity: error, value: 0.92}
      - {at: 150s, transition: resolved, resolved_by: recovery}
"""
    )
    assert run(text, tmp_path, capsys) == (0, "team_test.yaml: 1 test, ok\n")


def test_what_differs_is_told_as_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        BUSY
        + """\
    expect:
      - at: 90s
        alerts:
          - {rule: high-cpu, severity: warning, summary: "CPU"}
          - {rule: disk-full}
      - at: 2m
        alerts: []
    transitions:
      - {at: 90s, transition: fired, severity: error}
      - {at: 2m, transition: severity_changed}
      - {at: 150s, transition: resolved, resolved_by: ana}
"""
    )
    assert run(text, tmp_path, capsys) == (
        1,
        """\
team_test.yaml:10: busy: at 90s: high-cpu of web-1 differs
    - severity: warning
    + severity: error
    - summary: CPU
    + summary: "CPU of web-1 at 92 % for 1 min"
team_test.yaml:11: busy: at 90s: no such alert
    - {rule: disk-full}
team_test.yaml:12: busy: at 2m: fires, and is not expected
    + {rule: high-cpu, source: web-1, series: system.cpu.utilization, severity: error, \
summary: "CPU of web-1 at 92 % for 1 min"}
team_test.yaml:14: busy: transitions differ
      {at: 90s, transition: fired, severity: error}
    - {at: 2m, transition: severity_changed}
    - {at: 150s, transition: resolved, resolved_by: ana}
    + {at: 150s, transition: resolved, rule: high-cpu, source: web-1, severity: error, resolved_by: recovery}
team_test.yaml: 1 test, 1 failed
""",
    )


COURSES = {
    "a gap starts a pending alert anew": (
        "gauges: {system.cpu.utilization: 0.99x2 _x20 0.99x2}",
        [],
    ),
    "silence makes an alert stale and data brings it back": (
        "gauges: {system.cpu.utilization: 0.99x7 _x7 0.99}",
        ["60s fired critical", "121s went_stale critical", "140s data_returned critical"],
    ),
    "a series that goes is stale though its source is heard": (
        "gauges: {system.cpu.utilization: 0.99x7 _x3, other: 1x10}",
        ["60s fired critical", "70s went_stale critical"],
    ),
    "a source that leaves resolves its alerts": (
        "gauges: {system.cpu.utilization: 0.99x8}\n        leaves: 80s",
        ["60s fired critical", "80s resolved source_left"],
    ),
    "slow responses of a group": (
        "histograms: {http.server.request.duration: '0.1*90,3*10x8 0.1*100x7'}",
        ["60s fired error", "100s resolved recovery"],
    ),
    "no events are neither good nor bad": (
        "histograms: {http.server.request.duration: '3*10x7 .x3 _x20'}",
        ["60s fired error", "151s went_stale error"],
    ),
    "a share of failures": (
        "histograms:\n"
        """          'http.server.request.duration{http.response.status_code="200"}': 0.1*98x8\n"""
        """          'http.server.request.duration{http.response.status_code="500"}': 0.1*2x8""",
        ["60s fired warning", "131s went_stale warning"],
    ),
}


@pytest.mark.parametrize("what", COURSES)
def test_sources_do(what: str) -> None:
    source, expected = COURSES[what]
    sources = f"    sources:\n      - source: web-1\n        {source}\n"
    text = f"tests:\n  - name: {what}\n{sources}    expect: [{{at: 160s, alerts: []}}]"
    (test,) = load_rule_tests(text, file="t.yaml").tests
    seen = rehearse(test, stock_rules())
    said = [
        f"{(one.at - BEGINS_AT).total_seconds():g}s {one.transition} {one.resolved_by or one.severity.value}"
        for one in seen.transitions
    ]
    assert said == expected


TEAM = """\
rules:
  - name: jobs-fail
    metric: jobs.failed
    function: increase
    window: 1m
    by: group
    thresholds: {warning: 5}
    for: 0s
    labels: {team: core}
"""


def test_a_team_tests_its_own_rules_on_counters_of_several_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
rules: team.yaml
tests:
  - name: failing jobs of two workers add up
    only: [jobs-fail]
    sources:
      - {source: worker-1, kind: app, group: jobs, counters: {jobs.failed: 100x6 +1x6}}
      - {source: worker-2, kind: app, group: jobs, every: 20s, counters: {jobs.failed: 0x3 +2x3}}
      - {source: host-1, gauges: {system.cpu.utilization: 0.99x20}}
    expect:
      - {at: 50s, alerts: []}
      - {at: 90s, alerts: [{rule: jobs-fail, source: jobs, labels: {team: core}}]}
"""
    assert run(text, tmp_path, capsys, TEAM) == (0, "team_test.yaml: 1 test, ok\n")


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("tests:", "rules: none.yaml\ntests:", "none.yaml: No such file"),
        ("tests:", "rules: [a]\ntests:", "team_test.yaml:1: rules: is the path"),
        ("every: 30s", "evry: 30s", "team_test.yaml:3: evry: unknown field; did you mean `every`?"),
        ("every: 30s", "every: 0s", "team_test.yaml:3: every: is at least 1ms"),
        ("every: 30s", "only: [hihg-cpu]", "team_test.yaml:2: only: there is no rule 'hihg-cpu'"),
        (
            "0.2 0.92x4 0.2",
            "0.2 high",
            "team_test.yaml:6: gauges: system.cpu.utilization: 'high' is no value",
        ),
        ("at: 2m", "at: 8d", "team_test.yaml:8: expect: a test lasts 7d at most"),
        ("0.92x4", "0.92x90000", "sends for longer than 7d"),
        ("system.cpu.utilization:", '"a{b=1}":', "team_test.yaml:6: gauges: "),
        ("at: 2m", "when: 2m", "team_test.yaml:8: when: unknown field"),
        ("rule: disk-full", "ruel: disk-full", "team_test.yaml:8: ruel: unknown field; did you mean `rule`?"),
        ("rule: disk-full", "state: stale", "team_test.yaml:8: state: 'stale' is none of pending, firing"),
        ("alerts: [{rule: disk-full}]", "alerts: 5", "team_test.yaml:8: alerts: must be a list"),
        ("expect:", "transitions: [{at: 5m}]\n    expct:", "team_test.yaml:8: expct"),
        ("source: web-1", "sauce: web-1", "`source` is missing"),
    ],
)
def test_a_test_file_that_is_wrong_says_where(
    wrong: str, right: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = BUSY + "    expect:\n      - {at: 2m, alerts: [{rule: disk-full}]}\n"
    assert wrong in text
    code, said = run(text.replace(wrong, right, 1), tmp_path, capsys)
    assert code == 2
    assert says in said


@pytest.mark.parametrize("text", ["", "tests: []", BUSY])
def test_tests_that_expect_nothing_are_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(text, tmp_path, capsys)[0] == 2


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 500)
    | st.sampled_from(["", "web-1", "0.9x3", "_", ".", "60s", "fired", "high-cpu", CPU, "a{b=1}", "1e400"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["at", "alerts", "rule", "value", "source", "gauges", CPU]), inner)
    ),
    max_leaves=6,
)
TEST_FIELDS = ["name", "only", "every", "sources", "expect", "transitions"]
SOURCE_FIELDS = ["source", "kind", "group", "every", "gauges", "counters", "histograms", "leaves"]


@given(
    st.dictionaries(st.sampled_from(TEST_FIELDS), anything, max_size=2),
    st.dictionaries(st.sampled_from(SOURCE_FIELDS), anything, max_size=2),
)
def test_whatever_a_test_file_says_it_runs_or_is_wrong(
    test: dict[str, object], source: dict[str, object]
) -> None:
    good = {"source": "web-1", "gauges": {CPU: "0.99x20"}}
    whole = {"sources": [{**good, **source}], "transitions": [{"at": "60s"}], **test}
    try:
        loaded = load_rule_tests(yaml.safe_dump({"tests": [whole]}), file="t.yaml")
    except Misconfigured as wrong:
        assert all(line.startswith("t.yaml:") for line in str(wrong).splitlines())
        return
    for one in loaded.tests:
        failures(one, Rules([HIGH_CPU]))


shown = st.lists(st.sampled_from((0.1, 0.75, 0.85, 0.92, 0.99, None)), min_size=1, max_size=40)


@given(shown, st.sampled_from((5.0, 10.0, 30.0, 70.0)))
def test_a_rehearsal_is_what_the_judge_says_of_the_same_messages(
    column: list[float | None], every_s: float
) -> None:
    test = RuleTest("any", 1, (Sender("web-1", every_ms=int(every_s * 1000), gauges={CPU: column}),))
    court = Court()
    silent_s = 0.0
    for step, value in enumerate(column):
        if value is not None:
            court.listen(silent_s, now_s=step * every_s)
            court.hear(cpu(step * every_s, value, interval_s=every_s))
            silent_s = 0.0
        silent_s += every_s
    said = [
        (spoken(change), (change.at - T0).total_seconds())
        for change in court.changes
        if change.transition is not None
    ]
    rehearsed = rehearse(test, Rules([HIGH_CPU])).transitions
    heard = [
        (f"{one.transition} {one.resolved_by or one.severity.value}", (one.at - BEGINS_AT).total_seconds())
        for one in rehearsed
    ]
    # the moment at which silence is noticed is the ticks' own
    assert [word for word, _ in heard] == [word for word, _ in said]
    assert [pair for pair in heard if "stale" not in pair[0]] == [
        pair for pair in said if "stale" not in pair[0]
    ]


@given(shown)
def test_what_happened_is_what_passes_when_it_is_expected(column: list[float | None]) -> None:
    written = " ".join("_" if value is None else str(value) for value in column)
    text = (
        f"tests:\n  - name: any\n    sources:\n      - source: web-1\n        gauges: {{{CPU}: {written}}}\n"
    )
    (failed,) = load_and_fail(text + "    transitions: [{rule: none}]\n")
    expected = [line.removeprefix("+ ") for line in failed if line.startswith("+")]
    again = text + "    transitions:" + "".join(f"\n      - {line}" for line in expected or ["{rule: none}"])
    assert load_and_fail(again) == ([failed] if not expected else [])


def load_and_fail(text: str) -> list[tuple[str, ...]]:
    (test,) = load_rule_tests(text, file="t.yaml").tests
    return [failure.diff for failure in failures(test, Rules([HIGH_CPU]))]
