"""A reader of one stream that hands over what is there at once, and notices when its consumer is gone.

nats-py's own `fetch` waits for its batch to fill; here messages arrive by callback, and
requests for more overlap, so that a lone message is not delayed and a flood not throttled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from atalaia.broker.connection import EnduringClient
from atalaia.broker.raw import Raw
from atalaia.errors import Transient

BATCH = 2000
WAITING_AT_MOST = 2 * BATCH  # messages that nobody has taken; the rest stays with the broker meanwhile
EXPIRES_S = 30.0
HEARTBEAT_S = 1.0
LOST_AFTER_S = 4.0
INACTIVE_S = 30.0
KNOWN_EVERYWHERE_AFTER_S = 1.0
ASK_AGAIN_S = 0.05
ACKNOWLEDGE = b"$JS.ACK."  # where a message of a stream would be acknowledged: it says which one it is


class Stored(NamedTuple):
    """A message as the stream holds it. `pending`: how many come after it, as far as is known."""

    subject: str
    body: bytes
    sequence: int
    stored_at: datetime
    pending: int


class Reader:
    """Reads a stream in order through an ephemeral consumer that acknowledges nothing."""

    def __init__(self, client: EnduringClient, stream: str, consumer: str, pending: int) -> None:
        self._client = client
        self._stream = stream
        self._consumer = consumer
        self._waiting: list[Stored] = []
        self._asked = 0
        self._short = asyncio.Event()
        self._subscription: Subscription | None = None
        self._asking: asyncio.Task[None] | None = None
        self._lost: str | None = None
        self._heard = False
        self._heard_s = self._opened_s = 0.0
        self._connections = client.stats["reconnects"]
        self.arrived = asyncio.Event()
        self.caught_up = pending == 0

    @classmethod
    async def open(
        cls,
        client: EnduringClient,
        stream: str,
        *,
        subjects: list[str] | None = None,
        from_sequence: int | None = None,
        from_time: datetime | None = None,
        newest_of_each: bool = False,
    ) -> Reader:
        """Start reading: from a sequence, from a time, or with the newest message of each subject.

        Raises:
            Transient: the broker is away, or there is no such stream yet.
        """
        policy = DeliverPolicy.ALL
        if newest_of_each:
            policy = DeliverPolicy.LAST_PER_SUBJECT
        elif from_sequence is not None:
            policy = DeliverPolicy.BY_START_SEQUENCE
        elif from_time is not None:
            policy = DeliverPolicy.BY_START_TIME
        config = ConsumerConfig(
            deliver_policy=policy,
            opt_start_seq=from_sequence if policy is DeliverPolicy.BY_START_SEQUENCE else None,
            opt_start_time=from_time.astimezone(UTC)
            if from_time and policy is DeliverPolicy.BY_START_TIME
            else None,
            ack_policy=AckPolicy.NONE,
            filter_subjects=subjects,
            inactive_threshold=INACTIVE_S,
            mem_storage=True,
            num_replicas=1,
        )
        if newest_of_each and not subjects:
            config.filter_subjects = [">"]
        try:
            info = await client.jetstream(timeout=5).add_consumer(stream, config)
            reader = cls(client, stream, info.name, info.num_pending or 0)
            await reader._begin()
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"reading {stream}: {error!r}") from error
        return reader

    async def _begin(self) -> None:
        self._heard_s = self._opened_s = asyncio.get_running_loop().time()
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.hear(self._inbox, self._hear)
        await self._ask()
        self._asking = asyncio.create_task(self._keep_asking())

    def take(self) -> list[Stored]:
        """Return what arrived since the last call, perhaps nothing; wait on `arrived` in between.

        Raises:
            Transient: the consumer or the broker is gone.
        """
        now_s = asyncio.get_running_loop().time()
        if self._heard:
            self._heard, self._heard_s = False, now_s
        if self._client.stats["reconnects"] != self._connections:
            self._lost = "the broker was away"  # and the consumer is gone with it
        if self._lost is None and now_s - self._heard_s > LOST_AFTER_S:
            self._lost = "nothing heard from the broker"
        if self._lost is not None:
            raise Transient(f"reading {self._stream}: {self._lost}")
        self.arrived.clear()
        taken, self._waiting = self._waiting, []
        self._answered(0)
        return taken

    async def more(self, within_s: float) -> list[Stored]:
        """Return what arrives next, or nothing after `within_s`."""
        if not self._waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self.arrived.wait()
        return self.take()

    async def close(self) -> None:
        """Stop; the broker forgets the consumer."""
        if self._asking is not None:
            self._asking.cancel()
        if self._subscription is None:
            return
        try:
            async with asyncio.timeout(1):
                await self._subscription.unsubscribe()
                if self._lost is not None:
                    return  # nobody would answer; whoever is to take over is not to wait for that
                await self._client.jetstream(timeout=1).delete_consumer(self._stream, self._consumer)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError):
            return  # it goes by itself once it is inactive

    async def _keep_asking(self) -> None:
        """Ask for more before what was asked for has come."""
        try:
            while True:
                await self._short.wait()
                self._short.clear()
                await self._ask()
        except (nats.errors.Error, OSError) as error:
            self._lose(repr(error))

    async def _ask(self) -> None:
        self._asked += BATCH
        request = {
            "batch": BATCH,
            "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
            json.dumps(request).encode(),
            reply=self._inbox,
        )

    def _hear(self, message: Raw) -> None:
        self._heard = True
        if not message.reply.startswith(ACKNOWLEDGE):
            self._on_status(message)
            return
        stored = read_metadata(message)
        self.caught_up = stored.pending == 0
        self._waiting.append(stored)
        self.arrived.set()
        self._answered(1)

    def _answered(self, count: int) -> None:
        """So many of the messages that were asked for came, or will not come; have more be asked for."""
        self._asked = max(0, self._asked - count)
        if self._asked <= BATCH // 2 and len(self._waiting) < WAITING_AT_MOST:
            self._short.set()

    def _is_new(self) -> bool:
        """Return whether a node of a cluster may not have heard of the consumer that another one made."""
        return asyncio.get_running_loop().time() - self._opened_s < KNOWN_EVERYWHERE_AFTER_S

    def _on_status(self, message: Raw) -> None:
        status = message.status
        if status == "100":
            return
        if status in ("404", "408") or (status == "409" and "Max" in message.description):
            self._answered(int(message.headers().get("Nats-Pending-Messages", self._asked)))
        elif status == "503" and self._is_new():
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._answered, BATCH)
        else:
            self._lose(f"{status} {message.description}".strip() or "no such consumer")

    def _lose(self, why: str) -> None:
        self._lost = why
        self.arrived.set()


def read_metadata(message: Raw) -> Stored:
    """Return the message with what its reply subject says of it."""
    parts = message.reply.split(b".")
    shift = 0 if len(parts) == 9 else 2
    return Stored(
        message.subject.decode(),
        message.body,
        int(parts[5 + shift]),
        datetime.fromtimestamp(int(parts[7 + shift]) / 1e9, UTC),
        int(parts[8 + shift]),
    )
