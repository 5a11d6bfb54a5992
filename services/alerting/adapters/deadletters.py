"""Where messages go that nobody can process."""

from __future__ import annotations

from nats.aio.client import Client

from atalaia import broker
from atalaia.events.subjects import dead_subject

BODY_AT_MOST = 64 * 1024


class StreamDeadLetters:
    def __init__(self, client: Client) -> None:
        self._jetstream = client.jetstream(timeout=5)

    async def bury(self, subject: str, body: bytes, *, sequence: int, reason: str) -> None:
        headers = {
            "Nats-Msg-Id": f"dead:{subject}:{sequence}",
            "atalaia-reason": " ".join(reason.split())[:500].encode("ascii", "replace").decode(),
            "atalaia-subject": subject,
            "atalaia-sequence": str(sequence),
            "atalaia-size": str(len(body)),
        }
        await broker.publish(self._jetstream, dead_subject("alerting"), body[:BODY_AT_MOST], headers=headers)
