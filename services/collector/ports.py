"""What the collector needs of the world."""

from __future__ import annotations

from typing import Protocol

from atalaia.events.metrics import MetricsBatch
from services.collector.domain.reading import Reading


class Input(Protocol):
    """One kind of thing to measure. `read` may block: it runs in a thread."""

    name: str

    def read(self) -> Reading:
        """Return what there is now."""


class Publisher(Protocol):
    async def publish(self, batch: MetricsBatch) -> None:
        """Hand a batch to the broker; twice is once.

        Raises:
            Transient: try the same batch again. Invalid: drop it.
        """
