"""Plain functions that hear messages as they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from atalaia import broker
from atalaia.broker.raw import Raw
from atalaia.embedded import NatsServer, free_port
from tests.system.servers import Servers


async def until(claim: Callable[[], bool], *, within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not claim():
            await asyncio.sleep(0.01)


async def test_all_is_heard_in_order_whatever_one_message_does(servers: Servers) -> None:
    client = await broker.connect(servers.nats.url, name="test")
    subject, heard = f"heard.{uuid4().hex}", list[Raw]()

    def hear(message: Raw) -> None:
        heard.append(message)
        if message.body == b"7":
            raise ValueError("this one is not understood")

    subscription = await client.hear(f"{subject}.*", hear)
    queued = await client.subscribe(f"{subject}.*")
    for number in range(1000):
        await client.publish(
            f"{subject}.{number % 3}", b"%d" % number, reply="back", headers={"N": f"{number}"}
        )
    await client.publish(f"{subject}.bare", b"the last")
    await until(lambda: len(heard) == 1001)

    assert [message.body for message in heard[:-1]] == [b"%d" % number for number in range(1000)]
    assert [message.headers() for message in heard[:-1]] == [{"N": str(number)} for number in range(1000)]
    assert {message.status for message in heard} == {""}
    assert heard[4] == (f"{subject}.1".encode(), b"back", heard[4].head, b"4")
    assert heard[-1] == (f"{subject}.bare".encode(), b"", b"", b"the last")
    assert heard[-1].headers() == {}
    assert [(await queued.next_msg(1)).data for _ in range(1001)] == [message.body for message in heard]

    await subscription.unsubscribe()
    await client.publish(f"{subject}.late", b"")
    assert (await queued.next_msg(1)).subject == f"{subject}.late"
    assert len(heard) == 1001
    await broker.close(client)


async def test_the_brokers_own_word_is_told_from_a_message(servers: Servers) -> None:
    client = await broker.connect(servers.nats.url, name="test")
    heard: list[Raw] = []
    inbox = client.new_inbox()
    await client.hear(inbox, heard.append)
    await client.publish(f"nobody.{uuid4().hex}", b"", reply=inbox)
    await client.publish(f"$JS.API.DIRECT.GET.{uuid4().hex}", b"{}", reply=inbox)
    await until(lambda: len(heard) == 2)
    assert [(one.status, one.body, one.reply) for one in heard] == [("503", b"", b"")] * 2
    await broker.close(client)


async def test_a_broker_that_comes_back_is_heard_again(tmp_path: Path) -> None:
    server = NatsServer(
        tmp_path / "nats", port=free_port(), password="right", subscriber="other", sink=lambda _: None
    )
    await server.start()
    client = await broker.connect(server.url, name="test")
    heard: list[bytes] = []
    await client.hear("heard.again", lambda message: heard.append(message.body))
    try:
        await client.publish("heard.again", b"before")
        await until(lambda: heard == [b"before"])
        await server.stop()
        await server.start()
        await until(lambda: client.is_connected and client.stats["reconnects"] > 0)
        await client.publish("heard.again", b"after")
        await until(lambda: heard == [b"before", b"after"])
    finally:
        await broker.close(client)
        await server.stop()


def test_a_status_and_its_description_are_read() -> None:
    first = b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\n"
    rest = b"Nats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0\r\n\r\n"
    message = Raw(b"inbox", b"", first + rest, b"")
    assert (message.status, message.description) == ("409", "Message Size Exceeds MaxBytes")
    assert message.headers() == {"Nats-Pending-Messages": "3", "Nats-Pending-Bytes": "0"}
