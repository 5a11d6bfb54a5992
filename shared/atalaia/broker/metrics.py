"""Batches to the metrics stream, acknowledged."""

from __future__ import annotations

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from atalaia.broker.topology import ensure_streams
from atalaia.errors import Invalid, Transient
from atalaia.events.headers import headers
from atalaia.events.metrics import MetricsBatch
from atalaia.events.streams import streams
from atalaia.events.subjects import metrics_subject


class MetricsPublisher:
    """Hands batches to the stream; twice is once. A missing stream is made."""

    def __init__(self, client: Client, *, within_s: float = 5.0) -> None:
        self._client = client
        self._jetstream = client.jetstream(timeout=within_s)

    async def publish(self, batch: MetricsBatch) -> None:
        """Return once the broker has stored the batch.

        Raises:
            Transient: try the same batch again: away, slow, or it is not known whether it was stored.
            Invalid: larger than the broker takes.
        """
        body = batch.body()
        if not self._client.is_connected:
            raise Transient("the broker is away")
        if len(body) > self._client.max_payload:
            raise Invalid(f"a batch of {len(body)} bytes; the broker takes {self._client.max_payload}")
        try:
            await publish_metrics(self._jetstream, batch, body)
        except nats.js.errors.NoStreamResponseError as error:
            await ensure_streams(self._jetstream, streams(), only_missing=True)
            raise Transient("the stream was not there") from error
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"publishing: {error!r}") from error


async def publish_metrics(
    js: JetStreamContext, batch: MetricsBatch, body: bytes, *, within_s: float | None = None
) -> None:
    """Publish under the batch's subject and headers; nats-py's errors are the caller's."""
    about = headers(message_id=batch.message_id, type="metrics", source=batch.source, at=batch.at)
    subject = metrics_subject(batch.kind, batch.group, batch.source)
    await js.publish(subject, body, timeout=within_s, headers=about)
