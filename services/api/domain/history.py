"""The last messages of one subject in columns: a float per series and moment."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import chain
from typing import Literal

from msgspec import Struct

from atalaia.events.metrics import Measurements
from atalaia.events.order import Order, Verdict
from atalaia.stats import Dense

Kind = Literal["gauge", "counter", "histogram"]
NOTHING = math.nan
HISTOGRAM_BYTES = 900  # about, one delta


class Interval(Struct, gc=False):
    """The events of one interval. `spread` is what they come to as a point, once somebody asked.

    There are many: a struct that the garbage collector need not look into, nor into its delta.
    """

    at_s: float
    delta: Dense
    spread: tuple[float | int | None, ...] | None = None


class SubjectHistory:
    """Mutable, one owner. Rows are in the order of their time; missing values are NaN."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._order = Order()
        self.at_s = array("d")
        self.interval_s = array("d")
        self.start_s = array("d")
        self.gauges: dict[str, array[float]] = {}
        self.counters: dict[str, array[float]] = {}
        self.histograms: dict[str, dict[float, Interval]] = {}
        self._layout: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # of the last row
        self._row: list[array[float]] = []  # where its values are: a row that looks like it needs no search
        self.sequences = array("Q")  # of the rows' messages in their stream
        self.sequence = 0

    def add(self, batch: Measurements, sequence: int) -> None:
        """Append a message unless it is late; the oldest go once there are too many.

        A last message counts for its histograms: what happened until the source left.
        """
        self.sequence = sequence
        verdict = self._order.place(batch.at)
        if verdict is Verdict.LATE or (batch.final and not batch.histograms):
            return
        at_s = batch.at.timestamp()
        if verdict is Verdict.ANEW:
            self._cut_from(at_s)  # what a wrong clock put into the future
        self._append(batch, at_s)
        self.sequences.append(sequence)
        if len(self.at_s) >= 2 * self._most:
            self._drop(len(self.at_s) - self._most)

    @property
    def oldest_s(self) -> float:
        """Return the time of the oldest row that is shown; inf where there is none."""
        rows = self.rows(-math.inf, self._most)
        return self.at_s[rows.start] if rows else math.inf

    def metrics(self, kind: Kind) -> set[str]:
        """Return the names of its gauges, counters or histograms."""
        columns: dict[Kind, Iterable[str]] = {
            "gauge": self.gauges,
            "counter": self.counters,
            "histogram": self.histograms,
        }
        return {series.partition("{")[0] for series in columns[kind]}

    def rows(self, since_s: float, limit: int) -> range:
        """Return the indices of the newest `limit` rows measured after `since_s`."""
        first = bisect_left(self.at_s, since_s)
        return range(max(first, len(self.at_s) - min(limit, self._most)), len(self.at_s))

    def after(self, sequence: int) -> float:
        """Return from when on rows are of later messages than that; inf where there are none."""
        row = bisect_right(self.sequences, sequence)
        return self.at_s[row] if row < len(self.at_s) else math.inf

    def until(self, sequence: int) -> float:
        """Return the time of the last row that is of no later message than that; -inf where there is none."""
        row = bisect_right(self.sequences, sequence)
        return self.at_s[row - 1] if row else -math.inf

    def intervals(self, series: str, since_s: float, limit: int) -> list[Interval]:
        """Return the events of a histogram by interval, oldest first, the newest `limit` of them."""
        known = self.histograms.get(series, {})
        return [one for one in known.values() if one.at_s >= since_s][-limit:]

    @property
    def size_bytes(self) -> int:
        """Return about how much memory this takes."""
        columns = 3 + len(self.gauges) + len(self.counters)
        deltas = sum(len(known) for known in self.histograms.values())
        return columns * (8 * len(self.at_s) + 200) + deltas * HISTOGRAM_BYTES

    def _append(self, batch: Measurements, at_s: float) -> None:
        rows = len(self.at_s)
        self.at_s.append(at_s)
        self.interval_s.append(batch.interval_s)
        self.start_s.append(batch.start.timestamp() if batch.start else NOTHING)
        layout = (tuple(batch.gauges), tuple(batch.counters))
        if layout != self._layout:
            self._layout, self._row = layout, self._columns_of(*layout, rows=rows)
        values = chain(batch.gauges.values(), batch.counters.values())
        for column, value in zip(self._row, values, strict=True):
            column.append(value)
        for series, delta in batch.histograms.items():
            self.histograms.setdefault(series, {})[at_s] = Interval(at_s, delta)

    def _columns_of(self, gauges: Iterable[str], counters: Iterable[str], *, rows: int) -> list[array[float]]:
        """Return the columns of these series, filled up to `rows`."""
        found = []
        for columns, names in ((self.gauges, gauges), (self.counters, counters)):
            for series in names:
                column = columns.setdefault(series, array("d"))
                column.extend([NOTHING] * (rows - len(column)))
                found.append(column)
        return found

    def _cut_from(self, at_s: float) -> None:
        first = bisect_left(self.at_s, at_s)
        for column in self._columns():
            del column[first:]
        del self.sequences[first:]
        for known in self.histograms.values():
            for later_s in [one for one in known if one >= at_s]:
                del known[later_s]

    def _drop(self, count: int) -> None:
        oldest_s = self.at_s[count]
        for column in self._columns():
            del column[:count]
        del self.sequences[:count]
        for known in self.histograms.values():
            for earlier_s in [one for one in known if one < oldest_s]:
                del known[earlier_s]
        for columns in (self.gauges, self.counters):
            for series in [series for series, column in columns.items() if not column]:
                del columns[series]

    def _columns(self) -> list[array[float]]:
        return [self.at_s, self.interval_s, self.start_s, *self.gauges.values(), *self.counters.values()]
