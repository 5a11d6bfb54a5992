"""The platform broken on purpose, in every place; and the harness that would notice if it lost something."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.platform import ROOT
from tests.system.storm.faults import SINGLE, kill
from tests.system.storm.run import Report, platform_for, storm


async def report_of(folder: Path, root: Path = ROOT, **how: object) -> Report:
    platform = platform_for(folder, root)
    platform.start()
    try:
        report = await storm(platform, **how)  # type: ignore[arg-type]
    finally:
        assert platform.stop() == 0
    print("\n".join(report.lines()))
    return report


async def test_nothing_is_lost_invented_or_doubled_whatever_dies(tmp_path: Path) -> None:
    report = await report_of(tmp_path, faults=SINGLE, sources=200)
    assert report.events.expected > 1000
    assert report.events.holds, report.events.line()
    assert report.stored.holds, report.stored.line()
    assert report.listed == 0
    assert "failed" not in report.reads
    assert [name for name, recovered_s in report.recovered_s if recovered_s is None] == []


@dataclass(frozen=True, slots=True)
class Mistake:
    """`right` stands once in the file; `wrong` is what takes its place."""

    name: str
    file: str
    right: str
    wrong: str


STORE = "services/alerting/adapters/store.py"
JUDGING = "services/alerting/handlers/judging.py"
MISTAKES = [
    Mistake(
        "the position is committed before its transitions",
        STORE,
        """            if listed:
                await _write(connection, listed)
""",
        """        if listed:
            import asyncio
            await asyncio.sleep(0.3)
            async with self._pool.transaction() as connection:
                await _write(connection, listed)
""",
    ),
    Mistake(
        "transitions are published before the commit",
        JUDGING,
        "        await self._store.commit(session.fences, session.position, changes)\n",
        """        import os
        import nats
        from atalaia.events.subjects import alerts_subject
        client = await nats.connect(os.environ["NATS_URL"])
        for change in changes:
            if change.transition is not None:
                alert = change.alert
                await client.jetstream().publish(
                    alerts_subject(alert.key.rule, alert.key.source),
                    change.event().body(),
                    headers={"Nats-Msg-Id": f"{alert.alert_id}:{alert.sequence}"},
                )
        await client.close()
        await asyncio.sleep(0.3)
        await self._store.commit(session.fences, session.position, changes)
""",
    ),
    Mistake(
        "the position is forgotten",
        JUDGING,
        "positions[lease.partition] = lease.position.sequence if same else 0",
        "positions[lease.partition] = last",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
async def test_the_harness_notices(tmp_path: Path, mistake: Mistake) -> None:
    copy = tmp_path / "copy"
    for name in ("services", "shared"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / mistake.file
    text = file.read_text()
    assert text.count(mistake.right) == 1, "the code has moved on; so must the mistake"
    file.write_text(text.replace(mistake.right, mistake.wrong))
    report = await report_of(tmp_path, copy, faults=[kill("alerting")] * 3, sources=60, warm_up_s=3.0)
    assert not (report.events.holds and report.stored.holds)
