"""Several instances share one run: one leads, the others lend a worker each, over the broker.

On `atalaia.rpc.loadgen.offer` everyone idle answers with its name. A leader then speaks to
`atalaia.rpc.loadgen.share.<instance>` (`plan`, `go`, `stop`, and `still` every second) and hears
back on an inbox of its own (`window`, `end`, `lost`). A member whose leader falls silent stops.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia.errors import AtalaiaError, Invalid
from atalaia.events.subjects import rpc_subject, token
from services.loadgen.adapters.calibration import cache_folder, calibrated
from services.loadgen.adapters.process import ProcessShare
from services.loadgen.adapters.remote import NS, SILENT_S, STILL_EVERY_S, RemoteShare, share_subject, word_of
from services.loadgen.domain.admission import Limits, admitted
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.plan import Plan, from_json
from services.loadgen.domain.window import Window
from services.loadgen.ports import Share

OFFER = rpc_subject("loadgen", "offer")
OFFERS_WITHIN_S = 0.3


def _plan_and_inbox(said: Any) -> tuple[Plan, str]:
    """Read what a leader asks for; raises `Invalid` where it cannot be read."""
    try:
        return from_json(said["plan"]), str(said["inbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"no plan: {error!r}") from error


class NatsFleet:
    """This instance's place among the others, as leader and as member."""

    def __init__(self, client: Client, instance: str, limits: Limits) -> None:
        self._client = client
        self._instance = instance
        self._limits = limits
        self._busy = False
        self._worker: ProcessShare | None = None
        self._heard_s = 0.0
        self._forwarding: asyncio.Task[None] | None = None

    def take(self) -> bool:
        free = not self._busy
        self._busy = True
        return free

    def give_back(self) -> None:
        self._busy = False

    @asynccontextmanager
    async def shares(self, wanted: int) -> AsyncIterator[Sequence[Share]]:
        """Lend this instance's worker first, then those of others."""
        names = await self._others(wanted - 1) if wanted > 1 else []
        local = ProcessShare(self._instance)
        shares: list[Share] = [local, *(RemoteShare(self._client, name) for name in names)]
        try:
            await self._spawn(local)
            yield shares
        finally:
            await asyncio.gather(*(share.close() for share in shares))

    @asynccontextmanager
    async def endable(self, run_id: str, end: Callable[[], None]) -> AsyncIterator[None]:
        """Answer on `atalaia.rpc.loadgen.end.<run_id>`; nobody there means that no such run goes on."""

        async def told(message: Msg) -> None:
            end()
            await message.respond(b'{"ok": true}')

        subject = f"{rpc_subject('loadgen', 'end')}.{token(run_id)}"
        subscription = await self._client.subscribe(subject, cb=told)
        try:
            yield
        finally:
            await subscription.unsubscribe()

    async def _spawn(self, worker: ProcessShare) -> None:
        """Start a worker, and find out what it can do here."""
        await worker.spawn()
        worker.calibration = await calibrated(worker, cache_folder())

    async def _others(self, most: int) -> list[str]:
        names: list[str] = []

        async def hear(message: Msg) -> None:
            names.append(message.data.decode())

        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox, cb=hear)
        await self._client.publish(OFFER, self._instance.encode(), reply=inbox)
        await asyncio.sleep(OFFERS_WITHIN_S)
        await subscription.unsubscribe()
        return sorted(set(names) - {self._instance})[:most]

    # as a member

    async def listen(self) -> None:
        """Offer this instance to leaders, and work for them."""
        await self._client.subscribe(OFFER, cb=self._offer)
        await self._client.subscribe(share_subject(self._instance), cb=self._told)

    async def close(self) -> None:
        """Stop work for others."""
        if self._worker is not None:
            self._worker.stop()
        if self._forwarding is not None:
            await asyncio.wait({self._forwarding}, timeout=2)

    async def _offer(self, message: Msg) -> None:
        if not self._busy and message.data.decode() != self._instance:
            await message.respond(self._instance.encode())

    async def _told(self, message: Msg) -> None:
        self._heard_s = time.monotonic()
        word, said = word_of(message.data)
        worker = self._worker
        if word == "plan":
            await self._prepare(message, said)
        elif worker is not None and word == "go" and isinstance(said, int | float):
            worker.begin(time.monotonic_ns() + int((said - time.time()) * NS))
        elif worker is not None and word == "stop":
            worker.stop()

    async def _prepare(self, message: Msg, said: dict[str, Any]) -> None:
        if not self.take():
            await message.respond(b'{"failed": "busy with another run"}')
            return
        worker = ProcessShare(self._instance)
        try:
            plan, inbox = _plan_and_inbox(said)
            plan = admitted(plan, self._limits)
            await self._spawn(worker)
            await worker.prepare(plan)
        except AtalaiaError as error:
            await worker.close()
            self.give_back()
            await message.respond(json.dumps({"failed": str(error)}).encode())
            return
        self._worker = worker
        self._forwarding = asyncio.create_task(self._forward(worker, inbox))
        known = worker.calibration
        await message.respond(json.dumps({"ready": known and known.to_json()}).encode())

    async def _forward(self, worker: ProcessShare, inbox: str) -> None:
        watching = asyncio.create_task(self._watch(worker))
        try:
            word = ""
            while word not in ("end", "lost"):
                word, said = await worker.hear()
                body = said.to_json() if isinstance(said, Window | Ending) else said
                await self._client.publish(inbox, json.dumps({word: body}).encode())
        finally:
            watching.cancel()
            await worker.close()
            self._worker = None
            self.give_back()

    async def _watch(self, worker: ProcessShare) -> None:
        while time.monotonic() - self._heard_s < SILENT_S:
            await asyncio.sleep(STILL_EVERY_S)
        worker.stop()
