"""Another instance's part of a run, as its leader sees it: words over the broker."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia.errors import Transient
from atalaia.events.subjects import rpc_subject, token
from services.loadgen.domain.calibration import Calibration
from services.loadgen.domain.ending import Ending
from services.loadgen.domain.plan import Plan, to_json
from services.loadgen.domain.window import Window

READY_WITHIN_S = 10.0
STILL_EVERY_S = 1.0
SILENT_S = 5.0
NS = 1_000_000_000


def share_subject(instance: str) -> str:
    return f"{rpc_subject('loadgen', 'share')}.{token(instance)}"


def word_of(data: bytes) -> tuple[str, Any]:
    """Return a word and what goes with it; an empty word of what is no such message."""
    try:
        (word, said), *_ = json.loads(data).items()
    except (ValueError, AttributeError):
        return "", None
    return str(word), said


class RemoteShare:
    """Another instance's part of a run."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self.calibration: Calibration | None = None
        self._client = client
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._still: asyncio.Task[None] | None = None
        self._subscription: Any = None

    async def prepare(self, plan: Plan) -> None:
        inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(inbox, cb=self._hear)
        body = json.dumps({"plan": {"plan": to_json(plan), "inbox": inbox}}).encode()
        try:
            answer = await self._client.request(share_subject(self.name), body, timeout=READY_WITHIN_S)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"{self.name} did not come up: {error!r}") from error
        word, said = word_of(answer.data)
        if word != "ready":
            raise Transient(f"{self.name}: {said}")
        self.calibration = Calibration.from_json(said) if said else None
        self._still = asyncio.create_task(self._say_still())

    def begin(self, epoch_ns: int) -> None:
        at_s = time.time() + (epoch_ns - time.monotonic_ns()) / NS
        self._say("go", at_s)

    def stop(self) -> None:
        self._say("stop", None)

    async def hear(self) -> tuple[str, Any]:
        try:
            async with asyncio.timeout(SILENT_S):
                word, said = await self._heard.get()
        except TimeoutError:
            return "lost", f"nothing heard for {SILENT_S:g} s"
        match word:
            case "window":
                return word, Window.from_json(said)
            case "end":
                return word, Ending.from_json(said)
            case _:
                return "lost", said

    async def close(self) -> None:
        if self._still is not None:
            self._still.cancel()
            self.stop()
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _hear(self, message: Msg) -> None:
        self._heard.put_nowait(word_of(message.data))

    def _say(self, word: str, what: Any) -> None:
        body = json.dumps({word: what}).encode()
        task = asyncio.ensure_future(self._client.publish(share_subject(self.name), body))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _say_still(self) -> None:
        while True:
            self._say("still", None)
            await asyncio.sleep(STILL_EVERY_S)
