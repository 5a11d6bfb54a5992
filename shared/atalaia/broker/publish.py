"""Publishing to a stream, with the stream's word that it is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import PubAck

from atalaia.errors import Transient


async def publish(
    jetstream: JetStreamContext,
    subject: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    within_s: float = 5.0,
) -> PubAck:
    """Publish and return the stream's acknowledgement.

    Raises:
        Transient: no acknowledgement; the message may be in the stream all the same. Publish it again
            under the same `Nats-Msg-Id`, as happens here where somebody else answered first.
    """
    try:
        try:
            return await jetstream.publish(subject, body, timeout=within_s, headers=dict(headers))
        except (ValueError, TypeError):
            # the first answer counts, and any subscriber may answer before the stream does: frameworks
            # answer every message that carries a reply subject, which each publication to a stream does
            return await _picked(jetstream, subject, body, dict(headers), within_s)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise Transient(f"publishing to {subject}: {error!r}") from error


async def _picked(
    jetstream: JetStreamContext, subject: str, body: bytes, headers: dict[str, str], within_s: float
) -> PubAck:
    """Publish once more, to an inbox of its own, and pick the stream's answer out of all that come."""
    client = jetstream._nc
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    try:
        async with asyncio.timeout(within_s):
            await client.publish(subject, body, reply=inbox, headers=headers)
            while True:
                answer = await answers.next_msg(timeout=within_s)
                if (said := acknowledged(answer.data)) is not None:
                    return PubAck.from_response(said)
    finally:
        await answers.unsubscribe()


def acknowledged(answer: bytes) -> dict[str, Any] | None:
    """Return what a stream says; None: this is somebody else's.

    Raises:
        APIError: the stream refuses.
    """
    try:
        said = json.loads(answer)
        if "error" in said:
            raise nats.js.errors.APIError.from_error(said["error"])
        return said if "stream" in said and "seq" in said else None
    except (ValueError, TypeError, KeyError):
        return None
