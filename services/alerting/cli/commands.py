"""The command line, and what each command answers with: 0 yes, 1 no, 2 a file or an argument is wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from atalaia.errors import Misconfigured
from services.alerting.cli.checking import check, schema
from services.alerting.cli.rehearsing import test

WRONG = 2


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        match chosen.command:
            case "check":
                return check(chosen.file)
            case "test":
                return test(chosen.file)
            case _:
                return schema()
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.alerting", description="Without arguments, this is the service."
    )
    areas = parser.add_subparsers(required=True, metavar="rules")
    rules = areas.add_parser("rules", help="check, test and replay rules")
    commands = rules.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="say everything that is wrong with a rules file")
    checking.add_argument("file", type=Path)
    testing = commands.add_parser("test", help="run rule tests, without servers")
    testing.add_argument("file", type=Path, nargs="+")
    commands.add_parser("schema", help="print the JSON Schema of rules files, for editors")
    return parser
