"""Run a storm by hand."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.system.storm.faults import BY_NAME, SINGLE, several
from tests.system.storm.run import platform_for, storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.storm", description=__doc__)
    parser.add_argument("--faults", default="", help=f"comma-separated, of: {', '.join(BY_NAME)}")
    parser.add_argument("--rounds", type=int, default=1, help="how often to go through them")
    parser.add_argument("--pairs", action="store_true", help="two faults at once, drawn at random")
    parser.add_argument("--sources", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [BY_NAME[name] for name in arguments.faults.split(",") if name] or SINGLE
    faults = chosen * arguments.rounds
    if arguments.pairs:
        dice = random.Random(arguments.seed)
        faults = [several(*dice.sample(chosen, 2)) for _ in faults]
    with tempfile.TemporaryDirectory() as folder:
        platform = platform_for(Path(folder))
        platform.start()
        try:
            report = asyncio.run(storm(platform, faults, sources=arguments.sources, seed=arguments.seed))
        finally:
            platform.stop()
    print("\n".join(report.lines()))
    return 0 if report.events.holds and report.stored.holds else 1


if __name__ == "__main__":
    sys.exit(main())
