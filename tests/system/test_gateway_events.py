"""The gateway's ear on a real broker: a burst of alerts, anything else among them, and no answer to any."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia import broker
from atalaia.clock import SystemClock
from atalaia.embedded import NatsServer, free_port
from services.api.adapters.events import Events
from services.api.domain.active import ActiveAlerts, Known
from services.api.domain.registry import Registry
from tests.system.servers import Servers
from tests.unit.api.builders import known
from tests.unit.api.test_live_alerts import Stored

MANY = 3000
NO_SEQUENCES = ["", "x", "A:", "A:x", "A:-1", "A:1.5", "A:²", "A:" + "9" * 5000, ":"]
NO_BODIES = [b"", b"{", b"[]", b"null", b"\xff", b"{}", b"[" * 5000]


@dataclass
class Ear:
    """A gateway's events, heard through its own connection; `speaker` is another program's."""

    speaker: Client
    client: Client
    active: ActiveAlerts = field(default_factory=ActiveAlerts)
    registry: Registry = field(default_factory=lambda: Registry(datetime.now(UTC)))
    told: list[Known] = field(default_factory=list)
    source: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    async def say(self, body: bytes, message_id: str | None, reply: str = "") -> None:
        headers = None if message_id is None else {"Nats-Msg-Id": message_id}
        await self.speaker.publish(f"atalaia.alerts.r.{self.source}", body, headers=headers, reply=reply)

    async def change(self, sequence: int, state: str, alert_id: str, reply: str = "") -> None:
        alert = known(sequence, state, alert_id).alert
        await self.say(alert.body(), f"{alert_id}:{sequence}", reply)

    async def heard_all(self) -> None:
        """Return once what was said until now has been heard."""
        await self.change(1, "firing", "the last")
        await until(lambda: "the last" in self.active.ids())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Ear]:
    async with AsyncExitStack() as stack:
        speaker = await broker.connect(url, name="speaker")
        stack.push_async_callback(broker.close, speaker)
        client = await broker.connect(url, name="ear")
        stack.push_async_callback(broker.close, client)
        ear = Ear(speaker, client)
        events = Events(ear.active, ear.registry, Stored(), SystemClock(), ear.told.append)
        await events.listen(client)
        await client.flush()
        yield ear


async def test_a_burst_with_anything_among_it_leaves_exactly_what_fires(servers: Servers) -> None:
    async with listening(servers.nats.url) as ear:
        for number in range(MANY):
            await ear.change(1, "firing", f"A{number}")
            await ear.say(NO_BODIES[number % len(NO_BODIES)], f"A{number}:2")
            await ear.say(known(3, "resolved", f"A{number}").alert.body(), None)
            if number % 3 == 0:
                await ear.change(2, "resolved", f"A{number}")
        await ear.heard_all()
        assert ear.active.ids() - {"the last"} == {f"A{number}" for number in range(MANY) if number % 3}
        assert len(ear.told) == MANY + MANY // 3 + 1


@pytest.mark.parametrize("message_id", NO_SEQUENCES, ids=lambda message_id: message_id[:8])
async def test_an_id_that_is_not_ours_is_passed_over(servers: Servers, message_id: str) -> None:
    async with listening(servers.nats.url) as ear:
        await ear.say(known(1).alert.body(), message_id)
        await ear.heard_all()
        assert ear.active.ids() == {"the last"}


async def test_an_alert_is_never_answered(servers: Servers) -> None:
    async with listening(servers.nats.url) as ear:
        answers: list[Msg] = []

        async def answered(message: Msg) -> None:
            answers.append(message)

        inbox = ear.speaker.new_inbox()
        await ear.speaker.subscribe(inbox, cb=answered)
        await ear.change(1, "firing", "A", reply=inbox)
        await ear.say(b"not one", "A:2", reply=inbox)
        await ear.heard_all()
        await ear.client.flush()
        await ear.speaker.publish(inbox, b"the last")
        await until(lambda: b"the last" in [one.data for one in answers])
        assert [one for one in answers[:-1] if "stream" not in json.loads(one.data)] == []


async def test_announcements_are_heard_after_what_is_none(servers: Servers) -> None:
    async with listening(servers.nats.url) as ear:
        subject = f"atalaia.services.shop.{ear.source}"
        said = {"service": "shop", "instance": ear.source, "version": "1", "status": "up"}
        for body in NO_BODIES:
            await ear.speaker.publish(subject, body)
        await ear.speaker.publish(subject, json.dumps({**said, "at": datetime.now(UTC).isoformat()}).encode())

        def instances() -> list[str]:
            return [one.said.instance for one in ear.registry.roll(datetime.now(UTC)).instances]

        await until(lambda: ear.source in instances())


async def test_after_the_broker_was_away_events_are_heard_again(tmp_path: Path) -> None:
    server = NatsServer(
        tmp_path / "nats", port=free_port(), password="right", subscriber="other", sink=lambda _: None
    )
    await server.start()
    try:
        async with listening(server.url) as ear:
            await ear.change(1, "firing", "A")
            await until(lambda: ear.active.ids() == {"A"})
            await server.stop()
            await until(lambda: not (ear.client.is_connected or ear.speaker.is_connected))
            await server.start()
            await until(lambda: ear.client.is_connected and ear.speaker.is_connected)
            async with asyncio.timeout(20):
                while ear.active.ids():  # a connection is there before its subscriptions are
                    await ear.change(2, "resolved", "A")
                    await asyncio.sleep(0.01)
    finally:
        await server.stop()
