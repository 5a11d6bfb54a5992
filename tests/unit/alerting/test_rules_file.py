"""A rules file that is wrong says where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from atalaia.errors import Misconfigured
from atalaia.events.alerts import Severity
from services.alerting.domain.rules_file import load_rules
from services.alerting.settings import STOCK

GOOD = """\
rules:
  - name: mine
    metric: queue.length
    thresholds: {warning: 10}
"""


def stock() -> str:
    return Path(STOCK).read_text()


def test_the_five_stock_rules_are_those_of_the_contract() -> None:
    rules = load_rules(stock(), file="stock.yaml")
    assert {rule.name: [value for _, value in rule.thresholds] for rule in rules} == {
        "high-cpu": [0.80, 0.90, 0.95],
        "high-memory": [0.85, 0.92, 0.97],
        "disk-full": [0.85, 0.92, 0.97],
        "slow-responses": [1.0, 2.5, 5.0],
        "errors": [0.01, 0.05, 0.10],
    }
    assert {rule.for_s for rule in rules} == {60.0}


def test_a_file_overrides_single_fields_by_name() -> None:
    base = load_rules(stock(), file="stock.yaml")
    text = "rules:\n  - name: high-cpu\n    for: 5m\n  - name: errors\n    thresholds: {critical: 0.5}\n"
    rules = load_rules(text, file="my.yaml", base=base)
    high_cpu, errors = rules.get("high-cpu"), rules.get("errors")
    assert high_cpu is not None and errors is not None
    assert (high_cpu.for_s, high_cpu.metric, len(high_cpu.thresholds)) == (300.0, "system.cpu.utilization", 3)
    assert errors.thresholds == ((Severity.CRITICAL, 0.5),)
    assert len(rules) == 5


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("metric: queue.length", "metrik: queue.length", ("my.yaml:3:", "metrik", "did you mean `metric`")),
        ("{warning: 10}", "{warning: ten}", ("my.yaml:4:", "thresholds", "'ten' is not a number")),
        ("{warning: 10}", "{worning: 10}", ("my.yaml:4:", "worning", "warning, error, critical")),
        ("{warning: 10}", "{warning: 10, critical: 5}", ("my.yaml:4:", "thresholds")),
        ("{warning: 10}", "{warning: .inf}", ("my.yaml:4:", "thresholds")),
        ("queue.length", '"queue{a=1}"', ("my.yaml:3:", "metric")),
        ("thresholds: {warning: 10}", "op: '>'", ("my.yaml:2:", "thresholds", "missing")),
        ("{warning: 10}", "{warning: 10}\n    for: soon", ("my.yaml:5:", "for", "30s, 5m, 4h")),
        ("{warning: 10}", "{warning: 10}\n    function: p33", ("my.yaml:5:", "function", "p")),
        ("{warning: 10}", "{warning: 10}\n    function: avg", ("my.yaml:", "window", "say how long")),
        ("{warning: 10}", "{warning: 10}\n    window: 2h", ("my.yaml:5:", "window", "at most 1h")),
        ("{warning: 10}", '{warning: 10}\n    match: {a: {"=~": "("}}', ("my.yaml:5:", "regular expression")),
        ("{warning: 10}", '{warning: 10}\n    summary: "{sauce}"', ("my.yaml:5:", "summary")),
        ("rules:", "rulez:", ("my.yaml:1:", "rulez")),
        ("rules:", "rules: [", ("my.yaml:",)),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_field(
    wrong: str, right: str, says: tuple[str, ...]
) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_rules(GOOD.replace(wrong, right, 1), file="my.yaml")
    for part in says:
        assert part in str(caught.value)


def test_all_errors_are_told_at_once() -> None:
    text = GOOD.replace("queue.length", "9").replace("{warning: 10}", "{warning: ten}")
    with pytest.raises(Misconfigured) as caught:
        load_rules(text, file="my.yaml")
    assert str(caught.value).count("my.yaml:") == 2
