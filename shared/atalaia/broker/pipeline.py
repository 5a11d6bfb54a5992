"""Publishing many messages to streams at once: one inbox for all of their acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

import nats.errors
import nats.js.errors

from atalaia.broker.connection import EnduringClient
from atalaia.broker.publish import acknowledged
from atalaia.broker.raw import Raw
from atalaia.broker.wire import head_of, published
from atalaia.errors import Transient

SENT_AT_ONCE = 2**18  # bytes
_TAKEN = b'{"stream":"'  # how a stream's word begins where it is not a refusal


class Outgoing(NamedTuple):
    """A message for a stream."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


class Pipeline:
    """Publishes in order, without waiting for one answer before the next message; calls may overlap.

    A fraction of the price of `publish` for each message, which makes a task, a timer and an inbox.
    """

    def __init__(self, client: EnduringClient) -> None:
        self._client = client
        self._inbox = ""
        self._opening = asyncio.Lock()
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[None]] = {}

    async def publish(self, messages: Sequence[Outgoing], *, within_s: float) -> list[Transient | None]:
        """Return, for each message, None once the stream has it, or why that is not known.

        What is not known may be in the stream all the same: publish it again under its `Nats-Msg-Id`.
        """
        if not messages:
            return []
        loop = asyncio.get_running_loop()
        answers: dict[str, asyncio.Future[None]] = {}
        try:
            await self._listen()
            commands = bytearray()
            for message in messages:
                inbox = f"{self._inbox}.{next(self._numbers)}"
                answers[inbox] = self._answers[inbox] = loop.create_future()
                head = head_of(message.headers)
                if len(message.body) > self._client.max_payload:
                    answers[inbox].set_exception(
                        Transient(f"the broker takes no such size: {len(message.body)} bytes")
                    )
                    continue
                commands += published(message.subject, inbox, head, message.body)
                if len(commands) > SENT_AT_ONCE:
                    await self._client.send(bytes(commands))
                    commands.clear()
            if commands:
                await self._client.send(bytes(commands))
            await asyncio.wait(answers.values(), timeout=within_s)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            unknown = Transient(f"publishing to {messages[max(0, len(answers) - 1)].subject}: {error!r}")
        else:
            unknown = Transient(f"the broker did not acknowledge within {within_s:g} s")
        finally:
            for inbox in answers:
                del self._answers[inbox]
        found = [_outcome(answer, unknown) for answer in answers.values()]
        return [*found, *[unknown] * (len(messages) - len(found))]

    async def _listen(self) -> None:
        async with self._opening:
            if not self._inbox:
                inbox = self._client.new_inbox()
                await self._client.hear(f"{inbox}.*", self._hear)
                self._inbox = inbox

    def _hear(self, message: Raw) -> None:
        answer = self._answers.get(message.subject.decode())
        if answer is None or answer.done():
            return
        if message.status == "503":
            answer.set_exception(Transient("no stream takes this subject"))
            return
        try:
            # any subscriber may answer, too: only a stream's word counts
            if message.body.startswith(_TAKEN) or acknowledged(message.body) is not None:
                answer.set_result(None)
        except nats.js.errors.APIError as error:
            answer.set_exception(Transient(f"the stream refuses: {error!r}"))


def _outcome(answer: asyncio.Future[None], unknown: Transient) -> Transient | None:
    if not answer.done():
        answer.cancel()
        return unknown
    error = answer.exception()
    assert error is None or isinstance(error, Transient)
    return error
