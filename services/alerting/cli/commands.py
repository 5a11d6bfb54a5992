"""The command line, and what each command answers with: 0 yes, 1 no, 2 a file or an argument is wrong."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from atalaia.errors import Misconfigured
from services.alerting.cli.checking import check, schema
from services.alerting.cli.rehearsing import test
from services.alerting.cli.replaying import replay

WRONG = 2
INTERRUPTED = 130
_SPAN = re.compile(r"(\d{1,5})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        match chosen.command:
            case "check":
                return check(chosen.file)
            case "test":
                return test(chosen.file)
            case "replay":
                return replay(chosen.file, chosen.since, json=chosen.json)
            case _:
                return schema()
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


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
    replaying = commands.add_parser(
        "replay", help="say what rules would have done on the recorded stream; changes nothing"
    )
    replaying.add_argument("--since", type=_span, default="24h", help="how far back: 30m, 24h (default), 7d")
    replaying.add_argument("--json", action="store_true", help="for programs")
    replaying.add_argument("file", type=Path, nargs="?", help="default: ATALAIA_ALERTING_RULES, or stock")
    commands.add_parser("schema", help="print the JSON Schema of rules files, for editors")
    return parser


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 30m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
