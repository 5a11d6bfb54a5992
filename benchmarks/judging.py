"""How many samples a second one alerting process judges: `python -m benchmarks.judging`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg

from atalaia.embedded import local_servers
from benchmarks.workload import LABELS, Sources, cpu_s, prefill, rules_file, service

SOURCES, SERIES, RULES = 1000, 100, 100


async def judge(rounds: int, labels: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with local_servers(folder) as servers:
            began = time.monotonic()
            sent = await prefill(servers, Sources(SOURCES, series=SERIES, labels=labels), rounds)
            print(f"prefilled {sent} messages of {SERIES} series in {time.monotonic() - began:.0f} s")
            connection = await asyncpg.connect(servers.postgres.url)
            rules = rules_file(folder, rules=RULES)
            async with service("alerting", servers, ATALAIA_ALERTING_RULES=str(rules)) as process:
                seen: list[tuple[float, int, float]] = []
                while not seen or seen[-1][1] < sent:
                    await asyncio.sleep(0.05)
                    try:
                        position = await connection.fetchval("SELECT max(position) FROM partitions")
                    except asyncpg.UndefinedTableError:
                        continue
                    if position and (not seen or position > seen[-1][1]):
                        seen.append((time.monotonic(), position, cpu_s([process])))
            await connection.close()
            (from_s, first, cpu_from), (to_s, last, cpu_to) = seen[0], seen[-1]
            samples, seconds = (last - first) * SERIES, to_s - from_s
            print(f"judged {samples} samples in {seconds:.1f} s: {samples / seconds:,.0f} a second")
            print(f"alerting: {(cpu_to - cpu_from) / samples * 1e6:.2f} CPU seconds per million samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=240, help="seconds of each source in the stream")
    parser.add_argument("--labels", action="store_true", help="series with three labels each")
    arguments = parser.parse_args()
    asyncio.run(judge(arguments.rounds, LABELS if arguments.labels else ""))


if __name__ == "__main__":
    main()
