"""What a function sees: what came in a stretch of event time, (newest − window, newest]."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from atalaia.stats import Histogram

T = TypeVar("T")
FINEST_SCALE = 20
COMPACTED_FROM = 256


class Timed(Generic[T]):
    """Items by time, in two columns; what falls out of the window is handed back once."""

    def __init__(self, window_s: float, items: MutableSequence[T]) -> None:
        self._window_s = window_s
        self._at_s = array("d")
        self._items = items
        self._gone = 0
        self._newest_s = -math.inf

    def advance(self, at_s: float) -> Sequence[T]:
        """Move the end of the window, which never moves back; return what fell out of it."""
        if at_s <= self._newest_s:
            return ()
        self._newest_s = at_s
        first = bisect_right(self._at_s, at_s - self._window_s, self._gone)
        fallen = self._items[self._gone : first]
        self._gone = first
        if self._gone > COMPACTED_FROM and 2 * self._gone > len(self._at_s):
            del self._at_s[: self._gone], self._items[: self._gone]
            self._gone = 0
        return fallen

    def add(self, at_s: float, item: T) -> bool:
        """Put an item in its place: members of a group may be out of order. False: it is too old."""
        if at_s <= self._newest_s - self._window_s:
            return False
        place = bisect_right(self._at_s, at_s, self._gone)
        self._at_s.insert(place, at_s)
        self._items.insert(place, item)
        return True

    def inside(self) -> Sequence[T]:
        return self._items[self._gone :]


class Values:
    """Readings of gauges, or increases of counters: 16 bytes each."""

    def __init__(self, window_s: float) -> None:
        self._timed: Timed[float] = Timed(window_s, array("d"))

    def advance(self, at_s: float) -> None:
        self._timed.advance(at_s)

    def add(self, at_s: float, value: float) -> None:
        self._timed.add(at_s, value)

    def inside(self) -> Sequence[float]:
        return self._timed.inside()


@dataclass(frozen=True, slots=True)
class Happened:
    """Events of one message: how many there were, how many of them count, how long they took."""

    total: float
    counted: float
    histogram: Packed | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """A histogram that lies in a window until it falls out: 12 bytes a bucket instead of seventy."""

    scale: int
    count: int
    sum: float
    min: float
    max: float
    zero_count: int
    buckets: array[int]
    counts: array[int]

    @classmethod
    def of(cls, one: Histogram) -> Packed:
        buckets, counts = array("i", one.buckets), array("q", one.buckets.values())
        return cls(one.scale, one.count, one.sum, one.min, one.max, one.zero_count, buckets, counts)

    def histogram(self) -> Histogram:
        buckets = dict(zip(self.buckets, self.counts, strict=True))
        return Histogram(self.scale, self.count, self.sum, self.min, self.max, self.zero_count, buckets)


class Events:
    """Events of many messages, their histograms merged as they come and unmerged as they go."""

    def __init__(self, window_s: float) -> None:
        self._timed: Timed[Happened] = Timed(window_s, [])
        self._merged = Histogram(scale=FINEST_SCALE)

    def advance(self, at_s: float) -> None:
        for happened in self._timed.advance(at_s):
            if happened.histogram is not None:
                self._merged.unmerge(happened.histogram.histogram())

    def add(self, at_s: float, total: float, counted: float, histogram: Histogram | None = None) -> None:
        """Take in the events of one message; the histogram stays the caller's."""
        packed = None if histogram is None else Packed.of(histogram)
        if self._timed.add(at_s, Happened(total, counted, packed)) and histogram is not None:
            self._merged.merge(histogram)

    def total(self) -> float:
        return sum(happened.total for happened in self._timed.inside())

    def share(self) -> float | None:
        """Return the part that counts; None where nothing happened."""
        total = self.total()
        return sum(happened.counted for happened in self._timed.inside()) / total if total else None

    def quantile(self, q: float) -> float | None:
        inside = [one.histogram for one in self._timed.inside() if one.histogram is not None]
        if inside:
            self._merged.min = min(one.min for one in inside)
            self._merged.max = max(one.max for one in inside)
        return self._merged.quantile(q)
