"""Batches to the metrics stream, acknowledged."""

from __future__ import annotations

import nats.js.errors
from nats.aio.client import Client

from atalaia.broker.publish import publish
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
        self._within_s = within_s
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
        subject = metrics_subject(batch.kind, batch.group, batch.source)
        about = headers(message_id=batch.message_id, type="metrics", source=batch.source, at=batch.at)
        try:
            await publish(self._jetstream, subject, body, headers=about, within_s=self._within_s)
        except Transient as error:
            if isinstance(error.__cause__, nats.js.errors.NoStreamResponseError):
                await ensure_streams(self._jetstream, streams(), only_missing=True)
            raise


class OneByOne:
    """The batches of one source, each stored before the next is made.

    One whose fate is unknown goes again under its own id, which the stream and readers drop if they have
    it. What is counted meanwhile waits where it is counted, for the next: nothing is lost or told twice,
    and nothing grows while the broker is away.
    """

    def __init__(self, publisher: MetricsPublisher) -> None:
        self._publisher = publisher
        self._unsure: MetricsBatch | None = None

    def put(self, batch: MetricsBatch) -> None:
        """Take the next batch, to be sent by `settle`."""
        assert self._unsure is None, "the batch before has no end yet"
        self._unsure = batch

    async def settle(self) -> None:
        """Send the batch at hand, if there is one, until it is stored or never will be.

        Raises:
            Transient: not yet.
            Invalid: the broker does not take it; it is given up.
        """
        if self._unsure is None:
            return
        try:
            await self._publisher.publish(self._unsure)
        except Invalid:
            self._unsure = None
            raise
        self._unsure = None
