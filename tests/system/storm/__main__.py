"""Run a storm by hand."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.system.storm.faults import BY_NAME, SINGLE, Fault, several
from tests.system.storm.run import Report, storm
from tests.system.storm.stage import Stage


def main() -> int:
    """Run until every fault was had; exit 0 when all is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.storm", description=__doc__)
    parser.add_argument("--faults", default="", help=f"comma-separated, of: {', '.join(BY_NAME)}")
    parser.add_argument("--rounds", type=int, default=1, help="how often to go through them")
    parser.add_argument("--pairs", action="store_true", help="each together with another, drawn at random")
    parser.add_argument("--shuffle", action="store_true", help="in an order drawn at random")
    parser.add_argument("--sources", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=1, help="alerting processes")
    parser.add_argument("--days", action="store_true", help="clocks are wrong by a day, not by a minute")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--folder", type=Path, help="where everybody's output goes; default: nowhere")
    arguments = parser.parse_args()
    faults = _faults(arguments, random.Random(arguments.seed))
    report = uvloop.run(_run(arguments, faults))
    print("\n".join([*report.lines(), f"seed {arguments.seed}"]))
    for complaint in report.complaints():
        print(f"RED {complaint}")
    return 1 if report.complaints() else 0


def _faults(arguments: argparse.Namespace, dice: random.Random) -> list[Fault]:
    chosen = [BY_NAME[name] for name in arguments.faults.split(",") if name] or SINGLE
    faults: list[Fault] = chosen * arguments.rounds
    if arguments.shuffle:
        dice.shuffle(faults)
    if arguments.pairs:
        faults = [several(fault, dice.choice([one for one in chosen if one != fault])) for fault in faults]
    return faults


async def _run(arguments: argparse.Namespace, faults: list[Fault]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        small_disks = any("full-disk" in fault.name for fault in faults)
        async with Stage.set_up(Path(folder), replicas=arguments.replicas, small_disks=small_disks) as stage:
            try:
                return await storm(
                    stage, faults, sources=arguments.sources, seed=arguments.seed, days=arguments.days
                )
            finally:
                if arguments.folder:
                    stage.write_output(arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
