"""`rules test FILE…`"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from atalaia.errors import Misconfigured
from services.alerting.cli.files import stock_rules, text_of
from services.alerting.domain.rule_tests import RuleTests
from services.alerting.domain.rule_tests_file import load_rule_tests
from services.alerting.domain.rules import Rules
from services.alerting.domain.rules_file import load_rules
from services.alerting.domain.verdicts import failures

FAILED = 1


def test(paths: Sequence[Path]) -> int:
    """Run the tests of some files; say of each failure what was expected and what came.

    Raises:
        Misconfigured: a file, or a rules file that it names, is wrong.
    """
    loaded = [(path, *_loaded(path)) for path in paths]
    failed = 0
    for path, tests, rules in loaded:
        failed_here = 0
        for one in tests.tests:
            found = failures(one, rules)
            failed_here += bool(found)
            for failure in found:
                sys.stdout.write(f"{path}:{failure.line}: {one.name}: {failure.what}\n")
                sys.stdout.writelines(f"    {line}\n" for line in failure.diff)
        count = f"{len(tests.tests)} test{'s' if len(tests.tests) != 1 else ''}"
        sys.stdout.write(
            f"{path}: {count}, {failed_here} failed\n" if failed_here else f"{path}: {count}, ok\n"
        )
        failed += failed_here
    return FAILED if failed else 0


def _loaded(path: Path) -> tuple[RuleTests, Rules]:
    tests = load_rule_tests(text_of(path), file=str(path))
    rules = stock_rules()
    if tests.rules is not None:
        tested = path.parent / tests.rules
        rules = load_rules(text_of(tested), file=str(tested), base=rules)
    _known(path, tests, rules)
    return tests, rules


def _known(path: Path, tests: RuleTests, rules: Rules) -> None:
    """Refuse to test rules that are not there: a test that expects nothing of them would pass."""
    names = [rule.name for rule in rules]
    strangers = []
    for test in tests.tests:
        for name in test.only:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                strangers.append(f"{path}:{test.line}: only: there is no rule {name!r}{hint}")
    if strangers:
        raise Misconfigured("\n".join(strangers))
