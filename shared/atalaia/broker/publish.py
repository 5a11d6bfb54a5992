"""Publishing to a stream, with the stream's word that it is there."""

from __future__ import annotations

from collections.abc import Mapping

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
            under the same `Nats-Msg-Id`.
    """
    try:
        return await jetstream.publish(subject, body, timeout=within_s, headers=dict(headers))
    except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
        raise Transient(f"publishing to {subject}: {error!r}") from error
    except (ValueError, TypeError) as error:
        # the first answer counts, and any subscriber may answer before the stream does: frameworks
        # answer every message that carries a reply subject, which each publication to a stream does
        raise Transient(f"publishing to {subject}: somebody else answered first") from error
