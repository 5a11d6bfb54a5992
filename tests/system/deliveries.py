"""Deliveries under faults: transitions on purpose, and books of what a receiver acted on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from tests.system.platform import ROOT, Platform, Source
from tests.system.receiver import Receiver

RULES = """
rules:
  - name: swing
    metric: swing.value
    thresholds: {warning: 0.5}
    for: 0s
    summary: "{source} at {value}"
"""
CHANNELS = """
channels:
  - name: hook
    url: %s
    timeout: 1s
"""
AWAY = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)
UNKNOWN = ("timeout", "half-open", "reset")


def platform_for(folder: Path, receiver: Receiver) -> Platform:
    """Return a platform that tells one receiver of one rule, not yet started."""
    rules, channels = folder / "rules.yaml", folder / "channels.yaml"
    rules.write_text(RULES)
    channels.write_text(CHANNELS % receiver.url)
    return Platform(
        folder / "data", ATALAIA_ALERTING_RULES=str(rules), ATALAIA_ALERTING_CHANNELS=str(channels)
    )


class Second:
    """Another replica of alerting, beside the platform's own."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.alerting"],
            cwd=ROOT,
            env={**self._platform.environment, **self._platform.urls(), "ATALAIA_INSTANCE": "second"},
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


FLAPS_FROM = 3
MINUTES_TO_BE_STABLE = 11


async def swing(
    platform: Platform, name: str, *, sources: int, times: int, pause_s: float, step_s: float = 1.0
) -> int:
    """Have sources `<name>-…` fire and resolve `times` times each; return how many transitions that is.

    Values are `step_s` apart by event time. From the third time on a series flaps: then eleven good
    minutes follow.
    """
    senders = [Source(f"{name}-{n}", series="swing.value", kind="swing") for n in range(sources)]
    flaps = times >= FLAPS_FROM
    for sender in senders:
        sender.at = datetime.now(UTC) - timedelta(seconds=60 * MINUTES_TO_BE_STABLE + 2 * times * step_s)
    async with platform.nats() as client:
        jetstream = client.jetstream(timeout=5)

        async def one(source: Source, number: int) -> None:
            await asyncio.sleep(pause_s * number / sources)
            for _ in range(times):
                for value in (0.9, 0.1):
                    await _until_taken(jetstream, source.subject, source.body(value, after_s=step_s))
                    await asyncio.sleep(pause_s)
            for _ in range(MINUTES_TO_BE_STABLE if flaps else 0):
                await _until_taken(jetstream, source.subject, source.body(0.1, after_s=60.0))

        async with asyncio.TaskGroup() as group:
            for number, source in enumerate(senders):
                group.create_task(one(source, number))
    return sources * (times * 2 + flaps)


async def _until_taken(jetstream: JetStreamContext, subject: str, body: bytes) -> None:
    said = json.loads(body)
    headers = {"Nats-Msg-Id": f"{said['source']}:{said['at']}"}
    while True:
        try:
            await jetstream.publish(subject, body, headers=headers)
            return
        except AWAY:
            await asyncio.sleep(0.2)


@dataclass(slots=True)
class Books:
    """`told`: {alert_id: its transitions in the order in which the receiver acted on them, each key once}."""

    stored: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0
    refused: int = 0
    unknown: int = 0
    repeats: int = 0
    messages: int = 0
    folded: int = 0
    flapping: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> list[tuple[str, str]]:
        said = Counter((alert, name) for alert, names in self.told.items() for name in names)
        return sorted((self.stored - said).elements())

    @property
    def doubled(self) -> list[tuple[str, str]]:
        said = Counter((alert, name) for alert, names in self.told.items() for name in names)
        return sorted((said - self.stored).elements())

    @property
    def disordered(self) -> list[str]:
        life = ["fired", "resolved", "stabilized"]
        return [alert for alert, names in self.told.items() if names not in (life[:1], life[:2], life)]

    def line(self) -> str:
        return (
            f"transitions {self.stored.total()}, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"out of order {len(self.disordered)}; calls {self.calls}, refused {self.refused}, "
            f"outcome unknown {self.unknown}, repeats under the same key {self.repeats}, "
            f"messages acted on {self.messages}, fired and resolved in one {self.folded}, "
            f"about flapping at most {max(self.flapping.values(), default=0)} of a source"
        )


async def books_of(platform: Platform, receiver: Receiver, name: str) -> Books:
    """Compare what Postgres has of `<name>-…` with what the receiver acted on, repeats of a key removed.

    `flapping` are the messages that say of a source that it flaps, or is stable again.
    """
    books = Books()
    connection = await asyncpg.connect(platform.urls()["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT alert_id, transition FROM alert_transitions JOIN alerts USING (alert_id) "
            "WHERE starts_with(source, $1)",
            f"{name}-",
        )
    finally:
        await connection.close()
    books.stored = Counter((row["alert_id"], row["transition"]) for row in rows)
    calls = [call for call in list(receiver.calls) if f'"{name}-'.encode() in call.raw]
    books.calls = len(calls)
    books.refused = sum(not call.taken for call in calls)
    books.unknown = sum(call.answered in UNKNOWN for call in calls)
    keys: set[str] = set()
    for call in calls:
        if not call.taken:
            continue
        if call.key in keys:
            books.repeats += 1
            continue
        keys.add(call.key)
        flaps: set[str] = set()
        for alert in call.body["alerts"]:
            if not alert["labels"]["source"].startswith(f"{name}-"):
                continue
            books.told.setdefault(alert["alertId"], []).extend(alert["transitions"])
            books.folded += alert["transitions"][:2] == ["fired", "resolved"]
            if alert["transitions"] and (alert["flapping"] or "stabilized" in alert["transitions"]):
                flaps.add(alert["labels"]["source"])
        for source in flaps:
            books.flapping[source] = books.flapping.get(source, 0) + 1
    books.messages = len(keys)
    return books


async def settled(
    platform: Platform, receiver: Receiver, name: str, *, transitions: int, within_s: float
) -> Books:
    """Return the books once everything was told, or as they are when time is up."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            books = await books_of(platform, receiver, name)
            if books.stored.total() >= transitions and not books.lost:
                return books
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            books = Books()
        if asyncio.get_running_loop().time() > deadline:
            return books
        await asyncio.sleep(0.25)
