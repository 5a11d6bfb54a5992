"""Single messages of a stream, without a consumer."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from atalaia.broker.pull import Stored
from atalaia.errors import Transient

END = "204"
NOTHING = "404"
TOO_MANY = "413"
AT_ONCE = 1024  # a limit of the broker's


class _TooMany(Transient):
    """More subjects match than the broker answers at once."""


async def newest(
    client: Client, stream: str, pattern: str, *, up_to: int | None = None, within_s: float = 5.0
) -> list[Stored]:
    """Return the newest message of each matching subject, at or before sequence `up_to`.

    Raises:
        Transient: the broker is away or slow, or refuses.
    """
    try:
        return await _newest(client, stream, [pattern], up_to, within_s)
    except _TooMany:
        subjects = await _subjects(client, stream, pattern, within_s)
    found: list[Stored] = []
    for first in range(0, len(subjects), AT_ONCE):
        found += await _newest(client, stream, subjects[first : first + AT_ONCE], up_to, within_s)
    return found


async def _subjects(client: Client, stream: str, pattern: str, within_s: float) -> list[str]:
    """Return every subject of the stream that matches; the broker lists up to 100 000."""
    try:
        info = await client.jetstream(timeout=within_s).stream_info(stream, subjects_filter=pattern)
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise Transient(f"{stream}: {error!r}") from error
    return sorted(info.state.subjects or ())


async def _newest(
    client: Client, stream: str, subjects: list[str], up_to: int | None, within_s: float
) -> list[Stored]:
    request: dict[str, object] = {"multi_last": subjects, "batch": AT_ONCE}
    if up_to is not None:
        request["up_to_seq"] = up_to
    inbox = client.new_inbox()
    found: list[Stored] = []
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hear(message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            found.append(_stored(message))
        elif not done.done():
            if status in (END, NOTHING):
                done.set_result(None)
            elif status == TOO_MANY:
                done.set_exception(_TooMany(f"{stream}: more than {AT_ONCE} subjects match"))
            else:
                done.set_exception(Transient(f"{stream}: {status} {headers.get('Description', '')}"))

    try:
        subscription = await client.subscribe(inbox, cb=hear)
        await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(request).encode(), reply=inbox)
        try:
            async with asyncio.timeout(within_s):
                await done
        finally:
            await subscription.unsubscribe()
    except (nats.errors.Error, TimeoutError, OSError) as error:
        raise Transient(f"{stream}: {error!r}") from error
    return found


def _stored(message: Msg) -> Stored:
    headers = message.headers or {}
    at = headers["Nats-Time-Stamp"].removesuffix("Z")
    whole, _, fraction = at.partition(".")
    stored_at = datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)
    return Stored(headers["Nats-Subject"], message.data, int(headers["Nats-Sequence"]), stored_at, 0)
