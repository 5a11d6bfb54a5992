"""Publishing to a stream while others listen on the same subjects."""

from __future__ import annotations

import pytest
from nats.aio.msg import Msg

from atalaia import broker
from atalaia.embedded import Servers
from atalaia.errors import Transient


async def test_an_answer_that_is_not_the_streams_is_no_acknowledgement(servers: Servers) -> None:
    client = await broker.connect(servers.nats.url, name="test")
    try:

        async def answer(message: Msg) -> None:
            await message.respond(b"")  # as FastStream does for a handler that returns nothing

        await client.subscribe("answered.by.others", cb=answer)
        with pytest.raises(Transient, match="somebody else"):
            await broker.publish(client.jetstream(), "answered.by.others", b"{}", headers={})
    finally:
        await broker.close(client)
