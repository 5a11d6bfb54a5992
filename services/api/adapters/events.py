"""Alert and service events, as they are said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import nats.errors
from nats.aio.client import Client
from pydantic import TypeAdapter, ValidationError

from atalaia.broker import EnduringClient
from atalaia.broker.raw import Raw
from atalaia.clock import Clock
from atalaia.errors import Transient
from atalaia.events.alerts import AlertTransition
from atalaia.events.services import ServiceAnnouncement
from atalaia.events.subjects import ALERTS_PREFIX, ANNOUNCE_SUBJECT, SERVICES_PREFIX
from services.api.domain.active import ActiveAlerts, Known
from services.api.domain.registry import Registry
from services.api.ports import AlertReader

RECONCILE_EVERY_S = 10.0
RETRY_S = 1.0
ANSWERED_WITHIN_S = 0.2
MOST_DIGITS = 18  # of a sequence: more is no number of Postgres
_TRANSITION = TypeAdapter(AlertTransition).validator  # itself: `model_validate_json` costs a fifth more


class Events:
    """Keeps the alerts that fire and the service registry up to date."""

    def __init__(
        self,
        active: ActiveAlerts,
        registry: Registry,
        reader: AlertReader,
        clock: Clock,
        heard: Callable[[Known], None],
    ) -> None:
        """`heard` is told every transition that was news."""
        self._active = active
        self._tell = heard
        self._registry = registry
        self._reader = reader
        self._clock = clock
        self.loaded = asyncio.Event()

    async def listen(self, client: EnduringClient) -> None:
        """Hear both kinds of event from now on, after a reconnect too. What comes is never answered:

        an answer to an alert would reach its publisher in place of the stream's acknowledgement.
        """
        await client.hear(f"{ALERTS_PREFIX}.>", self.alert)
        await client.hear(f"{SERVICES_PREFIX}.>", self.announcement)

    def alert(self, message: Raw) -> None:
        """Take a transition; one without our id, or not of this form, is somebody else's."""
        sequence = message.header("Nats-Msg-Id").rpartition(":")[2]
        if not sequence.isdecimal() or len(sequence) > MOST_DIGITS:
            return
        try:
            transition = _TRANSITION.validate_json(message.body)
        except ValidationError:
            return
        known = Known(int(sequence), transition)
        if self._active.hear(known):
            self._tell(known)

    def announcement(self, message: Raw) -> None:
        try:
            said = ServiceAnnouncement.model_validate_json(message.body)
        except ValidationError:
            return
        self._registry.hear(said, self._clock.now())

    async def ask_who_is_there(self, client: Client) -> None:
        """Have every instance announce itself now, and give it a moment to."""
        with contextlib.suppress(nats.errors.Error, OSError):
            await client.publish(ANNOUNCE_SUBJECT, b"")
        await asyncio.sleep(ANSWERED_WITHIN_S)

    async def reconcile(self) -> None:
        """Compare with what is stored, for ever: events may have been missed."""
        while True:
            asked_about = self._active.ids()
            try:
                stored = await self._reader.firing()
            except Transient:
                await asyncio.sleep(RETRY_S)
                continue
            self._active.reconcile(stored, asked_about=asked_about)
            self.loaded.set()
            await asyncio.sleep(RECONCILE_EVERY_S)
