"""Log-linear histograms of nanoseconds: 0.1 % precise, constant memory, merged by adding."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

# HdrHistogram's rule with three significant digits: 11 bits of mantissa, so a bucket is at most v/1024 wide
MANTISSA_BITS = 11
HALF = 1 << (MANTISSA_BITS - 1)
BUCKETS = 32 * HALF  # up to 2^41 ns, 36 minutes; what is beyond counts in the last
HIGHEST_NS = (1 << 41) - 1
Indices = NDArray[np.int64]


def index_of(values: Indices) -> Indices:
    """Return the bucket of each value, which lie in 0..HIGHEST_NS."""
    exponents = np.frexp(values.astype(np.float64))[1]
    shifts = np.maximum(exponents.astype(np.int64) - MANTISSA_BITS, 0)
    return (shifts << (MANTISSA_BITS - 1)) + (values >> shifts)


def lowest_of(index: int) -> int:
    """Return the smallest value that falls in a bucket."""
    if index < 2 * HALF:
        return index
    shift = (index >> (MANTISSA_BITS - 1)) - 1
    return (index - (shift << (MANTISSA_BITS - 1))) << shift


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """The filled buckets of a stretch of time. Extremes are exact; 0 when nothing was recorded."""

    indices: Indices
    counts: Indices
    sum_ns: int = 0
    min_ns: int = 0
    max_ns: int = 0

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def to_json(self) -> dict[str, Any]:
        """Return bucket indices, as steps from the one before, with their counts, and the exact parts."""
        steps = np.diff(self.indices, prepend=0)
        return {
            "index_steps": steps.tolist(),
            "counts": self.counts.tolist(),
            "sum_ns": self.sum_ns,
            "min_ns": self.min_ns,
            "max_ns": self.max_ns,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            np.cumsum(np.asarray(body["index_steps"], np.int64)),
            np.asarray(body["counts"], np.int64),
            int(body["sum_ns"]),
            int(body["min_ns"]),
            int(body["max_ns"]),
        )


def packed(delta: Delta) -> list[Any]:
    """Return a second's delta as `unpacked` reads it: a fifth of the time that JSON lists take.

    Nothing is sent meanwhile, so this is for the way from a worker to its parent.
    """
    bytes_ = (delta.indices.astype("<i4").tobytes(), delta.counts.astype("<i4").tobytes())
    return [*(b64encode(one).decode() for one in bytes_), delta.sum_ns, delta.min_ns, delta.max_ns]


def unpacked(body: list[Any]) -> Delta:
    """Return the delta that was packed."""
    indices, counts = (np.frombuffer(b64decode(one), "<i4").astype(np.int64) for one in body[:2])
    return Delta(indices, counts, *map(int, body[2:]))


NOTHING = Delta(np.zeros(0, np.int64), np.zeros(0, np.int64))


class Histogram:
    """One owner; values in nanoseconds."""

    __slots__ = ("_counts", "count", "max_ns", "min_ns", "sum_ns")

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, np.int64)
        self.count = 0
        self.sum_ns = 0
        self.min_ns = 0
        self.max_ns = 0

    def record(self, values_ns: Sequence[int]) -> None:
        """Count values; below 0 is 0, above HIGHEST_NS is HIGHEST_NS."""
        if not values_ns:
            return
        values = np.clip(np.asarray(values_ns, np.int64), 0, HIGHEST_NS)
        np.add.at(self._counts, index_of(values), 1)
        self._extend(len(values_ns), int(values.sum()), int(values.min()), int(values.max()))

    def add(self, delta: Delta) -> None:
        """Count what another recorded."""
        number = delta.count
        if number:
            self._counts[delta.indices] += delta.counts
            self._extend(number, delta.sum_ns, delta.min_ns, delta.max_ns)

    def _extend(self, number: int, sum_ns: int, min_ns: int, max_ns: int) -> None:
        self.min_ns = min_ns if self.count == 0 else min(self.min_ns, min_ns)
        self.max_ns = max(self.max_ns, max_ns)
        self.count += number
        self.sum_ns += sum_ns

    def take(self) -> Delta:
        """Return what was recorded since the last call, and begin anew."""
        delta = self.delta()
        self._counts[delta.indices] = 0
        self.count = self.sum_ns = self.min_ns = self.max_ns = 0
        return delta

    def delta(self) -> Delta:
        indices = np.flatnonzero(self._counts)
        return Delta(indices, self._counts[indices], self.sum_ns, self.min_ns, self.max_ns)

    def mean_ns(self) -> float | None:
        return self.sum_ns / self.count if self.count else None

    def quantile_ns(self, q: float) -> float | None:
        """Return the value of rank ⌈q·count⌉, within 0.1 %; None of nothing."""
        return self.at_rank_ns(max(1, math.ceil(q * self.count - 1e-9)))

    def at_rank_ns(self, rank: int) -> float | None:
        """Return the `rank`-th smallest value (from 1); None where there are not so many."""
        if not 1 <= rank <= self.count:
            return None
        if rank == self.count:
            return float(self.max_ns)
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        middle = (lowest_of(index) + lowest_of(index + 1) - 1) / 2
        return min(max(middle, float(self.min_ns)), float(self.max_ns))


def merged(deltas: Sequence[Delta]) -> Delta:
    """Return the sum of several deltas."""
    filled = [delta for delta in deltas if delta.indices.size]
    if len(filled) <= 1:
        return filled[0] if filled else NOTHING
    indices, places = np.unique(np.concatenate([delta.indices for delta in filled]), return_inverse=True)
    counts = np.zeros(indices.size, np.int64)
    np.add.at(counts, places, np.concatenate([delta.counts for delta in filled]))
    return Delta(
        indices,
        counts,
        sum(delta.sum_ns for delta in filled),
        min(delta.min_ns for delta in filled),
        max(delta.max_ns for delta in filled),
    )
