"""The service registry's sending side."""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime

import nats.errors
from nats.aio.client import Client

from atalaia import __version__
from atalaia.clock import Clock
from atalaia.events.services import ANNOUNCE_EVERY_S, ServiceAnnouncement
from atalaia.events.subjects import service_subject
from atalaia.service.run import Lifecycle


async def announce(
    client: Client, lifecycle: Lifecycle, clock: Clock, *, service: str, instance: str
) -> None:
    """Say every two seconds, from `ready` on, that this instance is there; once more when it drains."""
    await lifecycle.unless_stopping(lifecycle.ready.wait())
    if not lifecycle.ready.is_set():
        return
    started_at = clock.now()
    while True:
        await _say(client, lifecycle, clock.now(), started_at, service, instance)
        if lifecycle.stopping.is_set():
            return
        try:
            await asyncio.wait_for(lifecycle.stopping.wait(), ANNOUNCE_EVERY_S)
        except TimeoutError:
            continue


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
        await client.flush(timeout=1)
    except (nats.errors.Error, TimeoutError):
        return
