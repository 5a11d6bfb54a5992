"""Where messages go that nobody can process."""

from __future__ import annotations

from collections.abc import Sequence

from atalaia import broker
from atalaia.events.subjects import dead_subject
from services.alerting.ports import Letter

BODY_AT_MOST = 64 * 1024
WITHIN_S = 5.0


class StreamDeadLetters:
    def __init__(self, client: broker.EnduringClient) -> None:
        self._pipeline = broker.Pipeline(client)

    async def bury(self, letters: Sequence[Letter]) -> None:
        outcomes = await self._pipeline.publish([_outgoing(one) for one in letters], within_s=WITHIN_S)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


def _outgoing(letter: Letter) -> broker.Outgoing:
    headers = {
        "Nats-Msg-Id": f"dead:{letter.subject}:{letter.sequence}",
        "atalaia-reason": " ".join(letter.reason.split())[:500].encode("ascii", "replace").decode(),
        "atalaia-subject": letter.subject,
        "atalaia-sequence": str(letter.sequence),
        "atalaia-size": str(len(letter.body)),
    }
    return broker.Outgoing(dead_subject("alerting"), letter.body[:BODY_AT_MOST], headers)
