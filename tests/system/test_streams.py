"""Streams are made, brought up to date where they differ, and otherwise left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from atalaia import broker
from atalaia.broker.topology import LEAST_BYTES
from atalaia.embedded import Servers
from atalaia.events.streams import Stream, streams


@pytest.fixture
async def client(servers: Servers) -> AsyncIterator[Client]:
    client = await broker.connect(servers.nats.url, name="test")
    yield client
    await broker.close(client)


def strangers() -> list[Stream]:
    """Return streams like ours, under names and subjects of their own; small ones."""
    mark = uuid4().hex[:8]
    return [
        replace(
            one,
            name=f"{one.name}_{mark}",
            subjects=tuple(f"{mark}.{subject}" for subject in one.subjects),
            transform=(f"{mark}.{one.transform[0]}", f"{mark}.{one.transform[1]}") if one.transform else None,
            max_bytes=2**20,
        )
        for one in streams()
    ]


async def test_streams_are_updated_where_they_differ_and_only_there(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    jetstream = client.jetstream()
    updated: list[str] = []
    update: Any = jetstream.update_stream

    async def watched(config: Any) -> Any:
        updated.append(config.name)
        return await update(config)

    monkeypatch.setattr(jetstream, "update_stream", watched)
    wanted = strangers()
    for _ in range(2):
        await broker.ensure_streams(jetstream, wanted)
    assert updated == []

    larger = [replace(wanted[0], max_bytes=2**21), *wanted[1:]]
    await broker.ensure_streams(jetstream, larger, only_missing=True)
    assert updated == []
    await broker.ensure_streams(jetstream, larger)
    assert updated == [wanted[0].name]
    assert (await jetstream.stream_info(wanted[0].name)).config.max_bytes == 2**21
    for stream in wanted:
        await jetstream.delete_stream(stream.name)


async def test_a_stream_for_which_the_disk_has_no_room_is_kept_smaller_and_up_to_date_otherwise(
    client: Client,
) -> None:
    jetstream = client.jetstream()
    wanted = replace(strangers()[0], max_bytes=2**50)
    await broker.ensure_streams(jetstream, [wanted])
    made = (await jetstream.stream_info(wanted.name)).config
    assert made.max_bytes is not None
    assert LEAST_BYTES <= made.max_bytes < wanted.max_bytes
    for max_age_s in (wanted.max_age_s, wanted.max_age_s / 2):
        await broker.ensure_streams(jetstream, [replace(wanted, max_age_s=max_age_s)])
        found = (await jetstream.stream_info(wanted.name)).config
        assert (found.max_bytes, found.max_age) == (made.max_bytes, max_age_s)
    await jetstream.delete_stream(wanted.name)
