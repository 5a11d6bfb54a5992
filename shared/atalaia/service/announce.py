"""The service registry's sending side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia import __version__, broker
from atalaia.clock import Clock
from atalaia.errors import Transient
from atalaia.events.services import ANNOUNCE_EVERY_S, ServiceAnnouncement
from atalaia.events.subjects import ANNOUNCE_SUBJECT, service_subject
from atalaia.service.lifecycle import Lifecycle


async def announce(
    client: Client, lifecycle: Lifecycle, clock: Clock, *, service: str, instance: str
) -> None:
    """Say that this instance is there: every two seconds, when asked, and once more when it drains.

    It begins with `ready`. Whoever starts to listen asks on `atalaia.rpc.services.announce`.
    """
    await lifecycle.unless_stopping(lifecycle.ready.wait())
    if not lifecycle.ready.is_set():
        return
    started_at = clock.now()
    asked = asyncio.Event()

    async def hear(message: Msg) -> None:
        asked.set()

    await client.subscribe(ANNOUNCE_SUBJECT, cb=hear)
    while True:
        asked.clear()
        await _say(client, lifecycle, clock.now(), started_at, service, instance)
        if lifecycle.stopping.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANNOUNCE_EVERY_S):
                await lifecycle.unless_stopping(asked.wait())


async def _say(
    client: Client, lifecycle: Lifecycle, at: datetime, started_at: datetime, service: str, instance: str
) -> None:
    message = ServiceAnnouncement(
        service=service,
        instance=instance,
        version=__version__,
        status="draining" if lifecycle.stopping.is_set() else "up",
        at=at,
        host=socket.gethostname(),
        started_at=started_at,
        detail=lifecycle.detail,
    )
    if not client.is_connected:
        return  # an announcement is about now: a buffered one would lie later
    try:
        await client.publish(service_subject(service, instance), message.model_dump_json().encode())
        await broker.flush(client, within_s=1)
    except (Transient, nats.errors.Error, TimeoutError):
        return
