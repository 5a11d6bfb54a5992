"""`rules check FILE` and `rules schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from services.alerting.cli.files import stock_rules, text_of
from services.alerting.domain.fields import schema as schema_on
from services.alerting.domain.rules_file import load_rules, places
from services.alerting.domain.suspicions import suspicions


def check(path: Path) -> int:
    """Say how many rules a file makes of the stock rules, and what is odd about its own.

    Raises:
        Misconfigured: the file is wrong; every problem with its line and field.
    """
    text, stock = text_of(path), stock_rules()
    rules = load_rules(text, file=str(path), base=stock)
    written = places(text, file=str(path))
    for name, lines in written.items():
        rule = rules.get(name)
        for field, said in suspicions(rule) if rule is not None else ():
            sys.stderr.write(f"{path}:{lines.get(field, lines[''])}: {field}: warning: {said}\n")
    new = [name for name in written if stock.get(name) is None and rules.get(name) is not None]
    off = [rule.name for rule in stock if rules.get(rule.name) is None]
    changed = [rule.name for rule in stock if rules.get(rule.name) not in (None, rule)]
    counts = [f"{len(new)} new"]
    counts += [f"{len(changed)} stock rules changed ({', '.join(changed)})"] if changed else []
    counts += [f"{len(stock) - len(changed) - len(off)} stock rules as they are"]
    counts += [f"{len(off)} off ({', '.join(off)})"] if off else []
    sys.stdout.write(f"{path}: ok, {len(rules)} rules: {', '.join(counts)}\n")
    return 0


def schema() -> int:
    """Print the JSON Schema of a rules file."""
    sys.stdout.write(schema_text())
    return 0


def schema_text() -> str:
    return json.dumps(schema_on(rule.name for rule in stock_rules()), indent=2, ensure_ascii=False) + "\n"
