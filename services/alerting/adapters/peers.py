"""Other replicas of alerting, asked over the broker."""

from __future__ import annotations

import nats.errors
from nats.aio.client import Client

from atalaia.errors import Transient


class BrokerPeers:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, subject: str, body: bytes, *, within_s: float) -> str:
        try:
            answer = await self._client.request(subject, body, timeout=within_s)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"the replica that judges it does not answer: {error!r}") from error
        return answer.data.decode()
