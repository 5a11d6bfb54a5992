"""In a cluster, the node that is asked may not know yet of the consumer that another one has just made."""

from __future__ import annotations

import uuid

from atalaia import broker
from atalaia.broker.pull import Reader
from atalaia.broker.raw import Raw
from tests.system.servers import Servers


async def test_nobody_answering_a_new_consumers_first_request_is_asked_again(servers: Servers) -> None:
    client = await broker.connect(servers.nats.url, name="test")
    name = f"clustered-{uuid.uuid4().hex[:8]}"
    await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
    reader = await Reader.open(client, name, subjects=[f"{name}.>"])
    nobody = Raw(b"inbox", b"", b"NATS/1.0 503\r\n\r\n", b"")
    reader._hear(nobody)  # a single node never says it: it knows what it made
    await client.jetstream().publish(f"{name}.one", b"1")
    assert [stored.body for stored in await reader.more(5)] == [b"1"]
    await reader.close()
    await client.jsm().delete_stream(name)
    await client.close()
