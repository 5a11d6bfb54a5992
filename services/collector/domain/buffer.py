"""What waits to be sent: in order, bounded, the oldest dropped first."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """`dropped` counts what was lost for want of room."""

    def __init__(self, most: int) -> None:
        self._held: deque[T] = deque()
        self._most = most
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, item: T) -> None:
        self._held.append(item)
        if len(self._held) > self._most:
            self._held.popleft()
            self.dropped += 1

    def first(self) -> T | None:
        return self._held[0] if self._held else None

    def remove(self, item: T) -> None:
        """Take out the first item, if it still is this one: it may have been dropped meanwhile."""
        if self._held and self._held[0] is item:
            self._held.popleft()
