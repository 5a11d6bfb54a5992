"""How many samples a second one alerting process judges: `python -m benchmarks.judging`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg

from atalaia.embedded import local_servers
from benchmarks.figures import Figure, show
from benchmarks.workload import LABELS, Sources, cpu_s, prefill, rules_file, service

SOURCES, SERIES, RULES = 1000, 100, 100


async def judge(rounds: int, labels: str) -> list[Figure]:
    """Let one alerting process judge a stream that is full already."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with local_servers(folder) as servers:
            print(f"filling the stream with {rounds} s of {SOURCES} sources")
            sent = await prefill(servers, Sources(SOURCES, series=SERIES, labels=labels), rounds)
            connection = await asyncpg.connect(servers.postgres.url)
            rules = rules_file(folder, rules=RULES)
            settings = {
                "ATALAIA_ALERTING_RULES": str(rules),
                "ATALAIA_ALERTING_HISTORY": str(max(1000, rounds)),
            }
            async with service("alerting", servers, **settings) as process:
                seen: list[tuple[float, int, float]] = []
                while not seen or seen[-1][1] < sent:
                    await asyncio.sleep(0.05)
                    try:
                        position = await connection.fetchval("SELECT max(position) FROM partitions")
                    except asyncpg.UndefinedTableError:
                        continue
                    if position and (not seen or position > seen[-1][1]):
                        seen.append((time.monotonic(), position, cpu_s([process])))
                resident = process.memory_info().rss
            await connection.close()
    (from_s, first, cpu_from), (to_s, last, cpu_to) = seen[0], seen[-1]
    samples, seconds = (last - first) * SERIES, to_s - from_s
    print(f"{samples / 1e6:.1f} million samples in {seconds:.1f} s")
    kind = "with three labels each" if labels else "without labels"
    return [
        Figure(f"judged by one process, series {kind}", samples / seconds, "samples/s"),
        Figure(f"CPU of alerting, series {kind}", (cpu_to - cpu_from) / samples * 1e6, "s/million"),
        Figure("resident memory afterwards", resident / 2**20, "MiB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1400, help="seconds of each source in the stream")
    arguments, _ = parser.parse_known_args()
    figures = asyncio.run(judge(arguments.rounds, ""))
    figures += asyncio.run(judge(arguments.rounds * 2 // 5, LABELS))
    show(f"Judging {SOURCES} sources with {SERIES} series each by {RULES} rules", figures)


if __name__ == "__main__":
    main()
