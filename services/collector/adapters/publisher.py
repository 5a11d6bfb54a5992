"""Batches to the stream, acknowledged."""

from __future__ import annotations

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from atalaia import broker
from atalaia.errors import Invalid, Transient
from atalaia.events.headers import headers
from atalaia.events.metrics import MetricsBatch
from atalaia.events.streams import streams
from atalaia.events.subjects import metrics_subject

WITHIN_S = 5.0


class StreamPublisher:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=WITHIN_S)

    async def publish(self, batch: MetricsBatch) -> None:
        body = batch.body()
        if not self._client.is_connected:
            raise Transient("the broker is away")
        if len(body) > self._client.max_payload:
            raise Invalid(f"a batch of {len(body)} bytes; the broker takes {self._client.max_payload}")
        about = headers(message_id=batch.message_id, type="metrics", source=batch.source, at=batch.at)
        subject = metrics_subject(batch.kind, batch.group, batch.source)
        try:
            await self._jetstream.publish(subject, body, headers=about)
        except nats.js.errors.NoStreamResponseError as error:
            await broker.ensure_streams(self._jetstream, streams(), only_missing=True)
            raise Transient("the stream was not there") from error
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"publishing: {error!r}") from error
