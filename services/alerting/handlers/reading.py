"""A stored message becomes a batch, or a reason why it cannot be one."""

from __future__ import annotations

from datetime import datetime, timedelta

from atalaia.errors import Invalid
from atalaia.events.decoding import decoded
from atalaia.events.metrics import Measurements, check_series, check_subject

AHEAD_AT_MOST = timedelta(seconds=10)


class BatchReader:
    """Checks spelling and subject once for as long as a subject's messages look alike."""

    def __init__(self) -> None:
        self._layouts: dict[str, tuple[object, ...]] = {}

    def read(self, subject: str, body: bytes, stored_at: datetime) -> Measurements:
        """Return the batch.

        Raises:
            Invalid: it is a dead letter; says why.
        """
        batch = decoded(body)
        if batch.at - stored_at > AHEAD_AT_MOST:
            raise Invalid(f"at: {batch.at.isoformat()} is ahead of the broker's time", field="at")
        layout = (
            batch.kind,
            batch.group,
            batch.source,
            tuple(batch.gauges),
            tuple(batch.counters),
            tuple(batch.histograms),
        )
        if self._layouts.get(subject) != layout:
            check_subject(batch, subject)
            check_series(batch)
            self._layouts[subject] = layout
        return batch
