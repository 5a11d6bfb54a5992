"""A run's events on the broker. Sending never waits for it: the queue is bounded, the oldest windows go."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from atalaia import broker
from atalaia.clock import Clock
from atalaia.events.headers import headers
from atalaia.events.instants import iso
from atalaia.events.loadtests import body_of
from atalaia.events.subjects import loadtest_subject
from atalaia.urls import without_password
from services.loadgen.domain.plan import Plan
from services.loadgen.domain.totals import Row
from services.loadgen.domain.window import Window

MOST_WAITING = 600
CONNECT_WITHIN_S = 3.0
PUBLISH_WITHIN_S = 2.0
TRY_AGAIN_S = 0.25
SHOWN = ("response", "service", "latency")


class Publisher:
    """A listener that queues; `run` publishes. `say` is told, once, where the broker is away."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._identity: dict[str, Any] = {}
        self._said = False
        self.dropped = 0

    def started(self, identity: dict[str, Any]) -> None:
        self._identity = identity
        self._queue("started", "started", identity)

    def window(self, window: Window, row: Row) -> None:
        body = window.to_json()
        body["histograms"] = {name: body["histograms"][name] for name in SHOWN if name in body["histograms"]}
        self._queue("window", f"window-{window.index}", {**body, **row.to_json()})

    def finished(self, result: dict[str, Any]) -> None:
        state = "interrupted" if result["interrupted"] else "aborted" if result["aborted"] else "finished"
        self._queue("finished", "finished", {**result, "state": state})

    def failed(self, plan: Plan, reason: str) -> None:
        """Say of a run that was taken on that it could not be run."""
        self._identity = {"run_id": plan.run_id, "target": plan.target}
        verdict = {"measurement": "invalid", "reasons": [reason]}
        self._queue("finished", "finished", {"state": "failed", "verdict": verdict})

    def _queue(self, event: str, part: str, fields: dict[str, Any]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[1]  # not the first: it is `started`, or on its way
            self.dropped += 1
        run_id, target = self._identity["run_id"], self._identity["target"]
        body = body_of(event, run_id, iso(self._clock.now()), target, fields)
        self._waiting.append((event, f"{run_id}-{part}", body))
        self._idle.clear()
        self._more.set()

    async def run(self, client: Client) -> None:
        """Publish for ever. What the broker does not take is tried again, under the same id."""
        js = client.jetstream(timeout=PUBLISH_WITHIN_S)
        while True:
            while self._waiting:
                event, message_id, body = self._waiting[0]
                about = headers(
                    message_id=message_id, type=f"loadtest.{event}", source="loadgen", at=self._clock.now()
                )
                data = json.dumps(body).encode()
                try:
                    await js.publish(loadtest_subject(body["run_id"], event), data, headers=about)
                except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
                    self._tell(f"the broker does not take this run's events: {str(error) or repr(error)}")
                    await asyncio.sleep(TRY_AGAIN_S)
                    continue
                if self._waiting and self._waiting[0][1] == message_id:
                    self._waiting.popleft()
            self._idle.set()
            self._more.clear()
            await self._more.wait()

    async def connect_and_run(self, url: str) -> None:
        """Publish to the broker at `url`; it may come later than the run, or not at all."""
        client = broker.EnduringClient()
        connecting = asyncio.ensure_future(broker.connect(url, name="loadgen-run", client=client))
        try:
            done, _ = await asyncio.wait({connecting}, timeout=CONNECT_WITHIN_S)
            if not done:
                self._tell(f"no broker at {without_password(url)}: this run is not published")
            await connecting
            await self.run(client)
        finally:
            connecting.cancel()
            await asyncio.wait({connecting})
            await broker.close(client, within_s=1)

    async def drain(self, within_s: float) -> None:
        """Wait until everything is published, for so long at most."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            self._tell("the broker did not take this run's events")

    def _tell(self, what: str) -> None:
        if not self._said:
            self._said = True
            self._say(what)
