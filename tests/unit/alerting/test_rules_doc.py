"""docs/rules.md: its tables are the code's, its rules are right, its tests pass."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from services.alerting.cli.checking import schema_text
from services.alerting.cli.commands import main
from services.alerting.domain.fields import table
from services.alerting.domain.rules import FUNCTIONS
from services.alerting.settings import STOCK

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
RULES = [block for block in BLOCKS if "tests" not in (yaml.safe_load(block) or {})]
TESTS = [block for block in BLOCKS if block not in RULES]


def name_of(block: str) -> str:
    named = re.match(r"# ([a-z_]+\.yaml)\n", block)
    return named[1] if named else "unnamed.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for block in BLOCKS:
        (tmp_path / name_of(block)).write_text(block)
    return tmp_path


def test_there_are_rules_and_tests_on_the_page() -> None:
    assert (len(RULES), len(TESTS)) == (4, 2)


@pytest.mark.parametrize("block", RULES, ids=name_of)
def test_rules_are_right_and_nothing_about_them_is_odd(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name_of(block)
    file.write_text(block)
    assert (main(["rules", "check", str(file)]), capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("block", RULES, ids=name_of)
def test_editors_find_nothing_wrong_with_the_rules(block: str) -> None:
    assert jsonschema_rs.validator_for(yaml.safe_load(schema_text())).is_valid(yaml.safe_load(block))


@pytest.mark.parametrize("block", TESTS, ids=name_of)
def test_tests_pass(block: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["rules", "test", str(folder / name_of(block))])
    assert code == 0, capsys.readouterr().out


def test_the_fields_are_those_of_the_code() -> None:
    assert f"<!-- fields -->\n{table()}\n<!-- /fields -->" in PAGE, f"put this there:\n{table()}"


def test_the_stock_rules_are_those_that_are_shipped() -> None:
    assert Path(STOCK).read_text() in BLOCKS


def test_every_function_is_explained() -> None:
    part = PAGE.partition("## Functions")[2].partition("## ")[0]
    assert [name for name in FUNCTIONS if f"`{name}`" not in part] == []
