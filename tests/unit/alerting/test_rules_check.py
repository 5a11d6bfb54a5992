"""`rules check` says everything at once, and what is odd."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.alerting.cli.commands import main

NEW = """\
rules:
  - name: mine
    metric: {metric}
    function: {function}
    window: {window}
    op: "{op}"
    thresholds: {thresholds}
"""


def checked(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    file = folder / "team.yaml"
    file.write_text(text)
    code = main(["rules", "check", str(file)])
    said = capsys.readouterr()
    return code, said.out, said.err.replace(str(folder) + "/", "")


def test_a_good_file_is_told_in_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "rules:\n  - {name: high-cpu, for: 5m}\n  - {name: errors, enabled: false}\n"
        "  - {name: disk-full, for: 60s}\n  - {name: mine, metric: queue.length, thresholds: {warning: 1}}\n"
    )
    code, out, err = checked(text, tmp_path, capsys)
    assert (code, err) == (0, "")
    assert out.endswith(
        "team.yaml: ok, 5 rules: 1 new, 1 stock rules changed (high-cpu), 3 stock rules as they are, "
        "1 off (errors)\n"
    )


def test_everything_wrong_is_told_at_once_each_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
rules:
  - name: hihg-cpu
    threshold: {warning: 0.8}
  - 5
  - name: [1]
  - name: queue
    metric: queue.length
    function: [avg]
  - name: disk
    metric: 7
    match: {a: , b: {"=~": "("}, rule: x}
    thresholds: {worning: 1, critical: y}
    for: null
    enabled: maybe
  - name: told
    metric: queue.length
    thresholds: {warning: 1}
    summary: "{value[0]}"
    runbok_url: x
rulez: 5
"""
    code, out, err = checked(text, tmp_path, capsys)
    assert (code, out) == (2, "")
    assert [line.partition(": ")[0] + ": " + line.split(": ")[1] for line in err.splitlines()] == [
        "team.yaml:2: metric",
        "team.yaml:2: thresholds",
        "team.yaml:3: threshold",
        "team.yaml:4: rules",
        "team.yaml:5: name",
        "team.yaml:8: function",
        "team.yaml:10: metric",
        "team.yaml:11: match",
        "team.yaml:11: match",
        "team.yaml:11: match",
        "team.yaml:12: thresholds",
        "team.yaml:12: thresholds",
        "team.yaml:13: for",
        "team.yaml:14: enabled",
        "team.yaml:19: runbok_url",
        "team.yaml:20: rulez",
    ]
    assert "did you mean the rule 'high-cpu'?" in err
    assert "did you mean `runbook_url`?" in err


@pytest.mark.parametrize("template", ["{value[0]}", "{value:q}", "{labels.x}", "{0}", "{", "{sauce}"])
def test_a_template_that_cannot_be_filled_in_is_wrong(
    template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = checked(f'rules:\n  - name: high-cpu\n    summary: "{template}"\n', tmp_path, capsys)
    assert (code, err.partition(" not")[0]) == (2, "team.yaml:3: summary:")


def written(metric: str, function: str, op: str, thresholds: str) -> str:
    window = "null" if function == "absent" else "1m"
    return NEW.format(metric=metric, function=function, window=window, op=op, thresholds=thresholds)


@pytest.mark.parametrize(
    ("metric", "function", "op", "thresholds", "says"),
    [
        ("disk.utilization", "avg", ">", "{warning: 0.8, error: 90}", "`error` never holds"),
        ("disk.utilization", "avg", ">", "{warning: 90}", "90 % is 0.9"),
        ("disk.utilization", "max", "<", "{warning: 20}", "`warning` always holds"),
        ("disk.utilization", "min", "<", "{warning: 0.95}", "never resolves"),
        ("disk.utilization", "p95", ">", "{warning: 0.95}", "is of a histogram"),
        ("disk.utilization", "rate", ">", "{warning: 0.95}", "is of a counter"),
        ("db.client.operation.duration", "avg", ">", "{warning: 1}", "p50 to p99, `count` or `share`"),
        ("db.client.operation.duration", "rate", ">", "{warning: 1}", "use `count`"),
        ("queue.length", "last", ">", "{warning: 1}", "`last` looks at no window"),
        ("backup.size", "absent", ">", "{warning: 1}", "say which `kind`"),
        ("backup.size", "absent", ">", "{warning: 1}\n    match: {kind: b}\n    for: 5s", "on top of"),
        ("queue.length", "avg", ">", "{warning: 1}\n    match: {queue: mail.*}", '{"=~": "mail.*"}'),
        ("queue.length", "avg", ">", "{warning: 1}\n    match: {status: 5..}", '{"=~": "5.."}'),
        ("queue.length", "avg", ">", '{warning: 1}\n    match: {group: ""}', "group: never matches"),
        ("queue.length", "avg", ">", "{warning: 1}\n    labels: {severity: high}", "call yours something"),
    ],
)
def test_a_rule_that_cannot_do_what_was_meant_is_warned_about(
    metric: str,
    function: str,
    op: str,
    thresholds: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = written(metric, function, op, thresholds)
    code, _, err = checked(text, tmp_path, capsys)
    assert code == 0
    assert err.count("warning:") == 1
    assert says in err


@pytest.mark.parametrize(
    ("metric", "function", "op", "thresholds"),
    [
        ("disk.utilization", "avg", ">", "{warning: 0.8, critical: 0.99}"),
        ("disk.utilization", "min", "<", "{warning: 0.95}\n    clear: 0.97"),
        ("disk.utilization", "sum", ">", "{warning: 8}"),
        ("http.server.request.duration", "p95", ">", "{warning: 90}"),
        ("cpu.percent", "avg", ">", "{warning: 90}"),
        ("queue.length", "avg", ">", "{warning: 1}\n    match: {host: web-1.example.org, version: 1.2}"),
    ],
)
def test_a_rule_that_may_be_meant_is_not_warned_about(
    metric: str,
    function: str,
    op: str,
    thresholds: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = written(metric, function, op, thresholds)
    assert checked(text, tmp_path, capsys)[::2] == (0, "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
