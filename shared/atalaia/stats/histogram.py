"""Base-2 exponential histograms (OpenTelemetry data model, v1): mergeable, bounded relative error.

Bucket i is (b^i, b^(i+1)] with b = 2^(2^-scale). At scale 4 a quantile is off by 2.2 % at most.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Protocol

MIN_SCALE = 4
MAX_OCTAVES = 50
MOST_TABLED_SCALE = 8  # a table of bounds has 2^scale entries


class Dense(Protocol):
    """The form that travels: `counts[k]` belongs to bucket `offset + k`."""

    @property
    def count(self) -> int: ...

    @property
    def sum(self) -> float: ...

    @property
    def min(self) -> float | None: ...

    @property
    def max(self) -> float | None: ...

    @property
    def scale(self) -> int: ...

    @property
    def zero_count(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def counts(self) -> Sequence[int]: ...


@dataclass(slots=True)
class Histogram:
    """Counts by bucket. Mutable, one owner; `merge` adds another one in."""

    scale: int = MIN_SCALE
    count: int = 0
    sum: float = 0.0
    min: float = math.inf
    max: float = -math.inf
    zero_count: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    @classmethod
    def from_dense(cls, dense: Dense) -> Histogram:
        """Build from the form that travels."""
        return cls(
            scale=dense.scale,
            count=dense.count,
            sum=dense.sum,
            min=math.inf if dense.min is None else dense.min,
            max=-math.inf if dense.max is None else dense.max,
            zero_count=dense.zero_count,
            buckets={index: n for index, n in enumerate(dense.counts, dense.offset) if n},
        )

    def record(self, value: float, times: int = 1) -> None:
        """Add a value ≥ 0, `times` times."""
        self.count += times
        self.sum += value * times
        if value < self.min:
            self.min = value
        if value > self.max:
            self.max = value
        if value <= 0.0:
            self.zero_count += times
            return
        # `bucket_of` at the scale that everything records at, written out: this runs for every request
        if self.scale == MIN_SCALE:
            mantissa, exponent = math.frexp(value)
            index = exponent * 16 + bisect_left(_MIN_BOUNDS, mantissa) - 17
        else:
            index = bucket_of(value, self.scale)
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + times

    def take(self) -> Histogram:
        """Return what was recorded so far; this one starts anew."""
        taken = Histogram(self.scale, self.count, self.sum, self.min, self.max, self.zero_count, self.buckets)
        self.count = self.zero_count = 0
        self.sum, self.min, self.max = 0.0, math.inf, -math.inf
        self.buckets = {}
        return taken

    def merge(self, other: Histogram) -> None:
        """Add another histogram's events; the coarser of the two scales is kept."""
        if other.scale < self.scale:
            self.rescale(other.scale)
        shift = other.scale - self.scale
        for index, n in other.buckets.items():
            self.buckets[index >> shift] = self.buckets.get(index >> shift, 0) + n
        self.count += other.count
        self.sum += other.sum
        self.zero_count += other.zero_count
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)

    def unmerge(self, other: Histogram) -> None:
        """Take the events of a histogram out again that was merged before; `min` and `max` stay."""
        shift = other.scale - self.scale
        for index, n in other.buckets.items():
            left = self.buckets[index >> shift] - n
            if left:
                self.buckets[index >> shift] = left
            else:
                del self.buckets[index >> shift]
        self.count -= other.count
        self.sum -= other.sum
        self.zero_count -= other.zero_count

    def rescale(self, scale: int) -> None:
        """Halve the resolution until `scale`, which is not above the present one."""
        shift = self.scale - scale
        coarse: dict[int, int] = {}
        for index, n in self.buckets.items():
            coarse[index >> shift] = coarse.get(index >> shift, 0) + n
        self.scale, self.buckets = scale, coarse

    @property
    def mean(self) -> float | None:
        """Return sum / count; None when nothing was recorded."""
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """Return the value below which a fraction `q` of the events lie, off by 2.2 % at most (scale ≥ 4).

        None when nothing was recorded. The answer is the geometric middle of
        its bucket, kept within the smallest and the largest value seen.

        Raises:
            ValueError: `q` is outside 0..1.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile is between 0 and 1, not {q}")
        if not self.count:
            return None
        rank = max(1, math.ceil(q * self.count))
        if rank <= self.zero_count:
            return 0.0
        seen = self.zero_count
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                middle = middle_of(index, self.scale)
                # a sender may leave the extremes out: then they are the wrong way around
                return middle if self.min > self.max else max(self.min, min(self.max, middle))
        return self.max

    def dense(self) -> tuple[int, list[int]]:
        """Return (offset, counts), at most `MAX_OCTAVES` long; what lies below counts in the lowest."""
        if not self.buckets:
            return 0, []
        last = max(self.buckets)
        first = max(min(self.buckets), last + 1 - MAX_OCTAVES * (1 << self.scale))
        counts = [0] * (last - first + 1)
        for index, n in self.buckets.items():
            counts[max(index, first) - first] += n
        return first, counts


def bucket_of(value: float, scale: int) -> int:
    """Return i with b^i < value ≤ b^(i+1); value > 0."""
    if scale <= MOST_TABLED_SCALE:
        mantissa, exponent = math.frexp(value)
        return ((exponent - 1) << scale) + bisect_left(_bounds(scale), mantissa) - 1
    index = math.ceil(math.log2(value) * (1 << scale)) - 1
    # log2 rounds: a value on a boundary may land one bucket away
    if value > upper_bound_of(index, scale):
        return index + 1
    if value <= upper_bound_of(index - 1, scale):
        return index - 1
    return index


def upper_bound_of(index: int, scale: int) -> float:
    """Return b^(i+1), inclusive: the largest number that is not above it."""
    octave, step = divmod(index + 1, 1 << scale)
    if scale <= MOST_TABLED_SCALE:
        return math.ldexp(_bounds(scale)[step], octave + 1)
    return float(2.0 ** (octave + step / (1 << scale)))


def middle_of(index: int, scale: int) -> float:
    """Return the geometric middle of a bucket: the value nearest to all of it, relatively."""
    return float(2.0 ** ((index + 0.5) / (1 << scale)))


@cache
def _bounds(scale: int) -> tuple[float, ...]:
    """Return the buckets' bounds in [0.5, 1): each the largest float not above the real number."""
    steps = 1 << scale
    return tuple(_not_above(0.5 * 2.0 ** (step / steps), step, steps) for step in range(steps))


def _not_above(bound: float, step: int, steps: int) -> float:
    exact = Fraction(2) ** (step - steps)  # of the bound to the power of `steps`
    while Fraction(bound) ** steps > exact:
        bound = math.nextafter(bound, 0.0)
    while Fraction(math.nextafter(bound, 1.0)) ** steps <= exact:
        bound = math.nextafter(bound, 1.0)
    return bound


_MIN_BOUNDS = _bounds(MIN_SCALE)
