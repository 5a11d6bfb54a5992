"""The platform broken on purpose, in every place; and the harness that would notice if it lost something."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvloop

from tests.system.platform import ROOT
from tests.system.storm.disks import may_mount
from tests.system.storm.faults import FREEZES, FULL_DISKS, KILLS, LONG, SINGLE, Fault, kill, several
from tests.system.storm.run import Report, storm
from tests.system.storm.stage import Stage

# of every process together with its children, after ten minutes without one of the others
MEMORY_AT_MOST_MIB = {
    "nats": 400,
    "postgres": 700,
    "redis": 60,
    "collector": 120,
    "alerting": 300,
    "api": 300,
    "loadgen": 120,
}


def report_of(
    folder: Path,
    faults: Sequence[Fault],
    *,
    root: Path = ROOT,
    sources: int = 200,
    warm_up_s: float = 4.0,
    replicas: int = 1,
    small_disks: bool = False,
    days: bool = False,
) -> Report:
    """Run a storm, on a loop that takes little from those who are measured beside it."""

    async def run() -> Report:
        async with Stage.set_up(folder, root=root, replicas=replicas, small_disks=small_disks) as stage:
            report = await storm(stage, faults, sources=sources, warm_up_s=warm_up_s, days=days)
        print("\n".join(report.lines()))
        assert root is not ROOT or not stage.stopped_badly
        return report

    return uvloop.run(run())


def test_nothing_is_lost_invented_or_doubled_whatever_breaks(tmp_path: Path) -> None:
    report = report_of(tmp_path, SINGLE)
    assert report.complaints() == []
    assert report.events.expected > 1000


@pytest.mark.long
def test_it_holds_through_long_freezes_and_half_open_connections(tmp_path: Path) -> None:
    assert report_of(tmp_path, LONG).complaints() == []


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_it_holds_when_two_things_break_at_once(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    pairs = [several(*dice.sample([*SINGLE, *FREEZES], 2)) for _ in range(12)]
    assert report_of(tmp_path, pairs).complaints() == []


@pytest.mark.long
def test_it_holds_with_clocks_that_are_wrong_by_a_day(tmp_path: Path) -> None:
    assert report_of(tmp_path, KILLS, days=True).complaints() == []


@pytest.mark.long
def test_a_second_replica_takes_over_from_one_that_freezes(tmp_path: Path) -> None:
    faults = [kill("alerting"), *(fault for fault in FREEZES if "alerting" in fault.away), kill("alerting-2")]
    faults = [replace(fault, shows=False) for fault in faults]  # the other one is there
    assert report_of(tmp_path, faults, replicas=2).complaints() == []


@pytest.mark.long
@pytest.mark.skipif(not may_mount(), reason="a small disk is mounted by root alone")
def test_it_holds_when_a_disk_is_full(tmp_path: Path) -> None:
    assert report_of(tmp_path, FULL_DISKS, small_disks=True).complaints() == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["nats", "postgres", "redis", "alerting", "api", "collector"])
def test_ten_minutes_away_cost_no_alert_and_little_memory(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, [kill(name, away_s=600)])
    assert report.complaints() == []
    most = report.memory_mib
    assert most.keys() == MEMORY_AT_MOST_MIB.keys()
    assert {one: held for one, held in most.items() if held > MEMORY_AT_MOST_MIB[one]} == {}


@dataclass(frozen=True, slots=True)
class Mistake:
    """`right` stands once in the file; `wrong` is what takes its place."""

    name: str
    file: str
    right: str
    wrong: str


STORE = "services/alerting/adapters/store.py"
JUDGING = "services/alerting/handlers/judging.py"
COMMIT = "        await self._store.commit(session.fences, position, changes, judged=session.positions)\n"
MISTAKES = [
    Mistake(
        "the position is committed before its transitions",
        STORE,
        """            if listed:
                rows = await self._write(connection, listed)
""",
        """        if listed:
            import asyncio
            await asyncio.sleep(0.3)
            async with self._pool.transaction() as connection:
                rows = await self._write(connection, listed)
""",
    ),
    Mistake(
        "transitions are published before the commit",
        JUDGING,
        COMMIT,
        f"""        import os
        import nats
        from atalaia.events.subjects import alerts_subject
        client = await nats.connect(os.environ["NATS_URL"])
        for change in changes:
            if change.transition is not None:
                alert = change.alert
                await client.jetstream().publish(
                    alerts_subject(alert.key.rule, alert.key.source),
                    change.event().body(),
                    headers={{"Nats-Msg-Id": f"{{alert.alert_id}}:{{alert.sequence}}"}},
                )
        await client.close()
        await asyncio.sleep(2.0)
{COMMIT}""",
    ),
    Mistake(
        "the position is forgotten",
        JUDGING,
        "positions[lease.partition] = lease.position.sequence if same else 0",
        "positions[lease.partition] = last",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
def test_the_harness_notices(tmp_path: Path, mistake: Mistake) -> None:
    copy = tmp_path / "copy"
    for name in ("services", "shared"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / mistake.file
    text = file.read_text()
    assert text.count(mistake.right) == 1, "the code has moved on; so must the mistake"
    file.write_text(text.replace(mistake.right, mistake.wrong))
    faults = [kill("alerting", away_s=1.0)] * 2
    report = report_of(tmp_path, faults, root=copy, sources=60, warm_up_s=3.0)
    assert not report.holds
