"""One storm: traffic, faults in turn, and the comparison of the books with what was announced."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig

from tests.system.platform import ROOT, Platform
from tests.system.storm.books import HOLDING, RULES, Balance, Entry, compare
from tests.system.storm.faults import Fault
from tests.system.storm.traffic import Reads, Traffic

BETWEEN_S = 3.0
HEALTHY_WITHIN_S = 10.0
ARRIVES_WITHIN_S = 20.0
JUDGED = ("fired", "resolved")


@dataclass(slots=True)
class Report:
    """`recovered_s`: per fault, from its end until the platform says it is healthy; None: not in time."""

    samples: int = 0
    events: Balance = field(default_factory=lambda: Balance(0, 0))
    stored: Balance = field(default_factory=lambda: Balance(0, 0))
    recovered_s: list[tuple[str, float | None]] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    listed: int = 0

    def lines(self) -> list[str]:
        late = f"NOT WITHIN {HEALTHY_WITHIN_S:g} s"
        table = [f"{'fault':<28} recovered"]
        table += [f"{name:<28} {late if s is None else f'{s:.1f} s'}" for name, s in self.recovered_s]
        return [
            *table,
            f"samples sent            {self.samples}",
            f"events on the stream    {self.events.line()}",
            f"transitions in Postgres {self.stored.line()}",
            f"reads of the gateway    {self.reads}",
            f"firing at the end       {self.listed}",
            *(f"  lost     {entry}" for entry in self.stored.lost[:10]),
            *(f"  invented {entry}" for entry in self.stored.invented[:10]),
        ]


def platform_for(folder: Path, root: Path = ROOT) -> Platform:
    """Return a platform with the storm's rules, not yet started; `root` is where its code is."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    return Platform(folder / "data", root=root, ATALAIA_ALERTING_RULES=str(rules))


async def storm(
    platform: Platform,
    faults: Sequence[Fault],
    *,
    sources: int = 200,
    seed: int = 1,
    warm_up_s: float = 5.0,
    say: Callable[[str], None] = print,
) -> Report:
    """Run traffic and the faults, one after the other; return what came of it."""
    report = Report()
    async with platform.nats() as client:
        traffic = Traffic(client.jetstream(timeout=5), sources=sources, seed=seed)
        reads = Reads(f"http://127.0.0.1:{platform.http_port}/api/v1/monitoring")
        reading = asyncio.create_task(reads.run())
        sending = asyncio.create_task(traffic.run())
        await asyncio.sleep(warm_up_s)
        for fault in faults:
            reads.excused = "api" in fault.name
            await fault.strike(platform)
            report.recovered_s.append((fault.name, await _healthy_again(platform, reads)))
            say(f"{fault.name}: {report.recovered_s[-1][1]}")
            await asyncio.sleep(BETWEEN_S)
            reads.excused = False
        traffic.settle()
        await sending
        expected = [entry for book in traffic.books for entry in book.expected]
        report.events = await _arrived(platform, expected)
        report.stored = compare(expected, await _stored(platform))
        reading.cancel()
        _, answer = await asyncio.to_thread(platform.get, "/alerts?severity=warning&limit=500")
        report.listed = sum(alert["rule"] in HOLDING for alert in answer["alerts"])
        report.samples = traffic.sent
        report.reads = dict(reads.outcomes)
    return report


async def _healthy_again(platform: Platform, reads: Reads) -> float | None:
    """Return how long it took until nothing but alerts costs health."""
    began = time.monotonic()
    while time.monotonic() - began < HEALTHY_WITHIN_S:
        try:
            _, answer = await asyncio.to_thread(platform.get, "/health/detailed")
            troubles = [one for one in answer["deductions"] if not one["reason"].startswith("warning: storm")]
            up = {one["service"] for one in answer["services"] if one["status"] == "up"}
            if not troubles and len(up) == 4:
                return time.monotonic() - began
        except OSError:
            pass
        await asyncio.sleep(0.1)
    return None


async def _arrived(platform: Platform, expected: list[Entry]) -> Balance:
    """Compare with the stream once everything is there, or time is up."""
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while True:
        balance = compare(expected, await _events(platform))
        if balance.seen >= balance.expected or time.monotonic() > deadline:
            return balance
        await asyncio.sleep(0.5)


async def _events(platform: Platform) -> list[tuple[str, Entry]]:
    """Return what was announced, in order, each message id once."""
    found: dict[str, tuple[str, Entry]] = {}
    async with platform.nats() as client:
        jetstream = client.jetstream(timeout=5)
        subscription = await jetstream.pull_subscribe(
            "atalaia.alerts.*.>",
            stream="ATALAIA_ALERTS",
            config=ConsumerConfig(ack_policy=AckPolicy.NONE),
        )
        while True:
            try:
                messages = await subscription.fetch(500, timeout=0.5)
            except (nats.errors.TimeoutError, TimeoutError):
                break
            for message in messages:
                event = json.loads(message.data)
                if event["transition"] in JUDGED and event["rule"] in HOLDING:
                    message_id = (message.headers or {})["Nats-Msg-Id"]
                    found.setdefault(message_id, (event["alert_id"], _entry(event)))
        await subscription.unsubscribe()
    return list(found.values())


async def _stored(platform: Platform) -> list[tuple[str, Entry]]:
    connection = await asyncpg.connect(platform.urls()["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT event FROM alert_transitions WHERE transition = ANY ($1::text[]) "
            "ORDER BY alert_id, sequence",
            JUDGED,
        )
    finally:
        await connection.close()
    events = [json.loads(row["event"]) for row in rows]
    return [(event["alert_id"], _entry(event)) for event in events if event["rule"] in HOLDING]


def _entry(event: dict[str, str]) -> Entry:
    return Entry(event["rule"], event["source"], event["transition"], datetime.fromisoformat(event["at"]))
