"""What is seen while a test runs: a view that redraws itself on a terminal, a line a second elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import Any, TextIO

from services.loadgen.domain.spoken import time_text
from services.loadgen.domain.totals import Row
from services.loadgen.domain.window import Window

BARS = " ▁▂▃▄▅▆▇█"
KEPT = 60


def view(plain: bool, quiet: bool, stream: TextIO = sys.stderr) -> Lines | Terminal | None:
    """Return what fits: a live view only on a terminal, nothing when quiet."""
    if quiet:
        return None
    return Lines(stream) if plain or not stream.isatty() else Terminal(stream)


class Lines:
    """One line a second, rarer as a run gets long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._every = 1

    def started(self, identity: dict[str, Any]) -> None:
        self._say(f"run {identity['run_id']}: {identity['load']} to {identity['target']}")
        if (identity["duration_s"] or 0) > 120:
            self._every = 10

    def window(self, window: Window, row: Row) -> None:
        if row.index % self._every == 0:
            self._say(line_of(row))

    def finished(self, result: dict[str, Any]) -> None:
        return None

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Terminal:
    """A few lines that are drawn over themselves."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rates: list[int] = []
        self._slowest: list[float] = []
        self._head = ""
        self._duration_s: float | None = None
        self._drawn = 0

    def started(self, identity: dict[str, Any]) -> None:
        self._head = f"{identity['load']} to {identity['target']}"
        self._duration_s = identity["duration_s"]

    def window(self, window: Window, row: Row) -> None:
        self._rates = [*self._rates, row.ok][-KEPT:]
        self._slowest = [*self._slowest, row.p99_s or 0.0][-KEPT:]
        whole = f" of {self._duration_s:g} s" if self._duration_s else ""
        bad = row.http_errors + row.connection_errors + row.timeouts
        lag = f"lag p99 {time_text(row.lag_p99_s)}   " if row.lag_p99_s is not None else ""
        self._draw(
            f"{self._head}",
            f"{row.to_s:6.0f} s{whole}   users {row.users}   in flight {row.in_flight}   "
            f"waiting {row.waiting}",
            f"ok/s   {row.ok:>9,}  {bars(self._rates)}",
            f"p99    {time_text(row.p99_s):>9}  {bars(self._slowest)}",
            f"p50 {time_text(row.p50_s)}   p95 {time_text(row.p95_s)}   max {time_text(row.max_s)}   "
            f"errors {bad:,}",
            f"generator   {lag}cpu {row.cpu_share:.0%}   waited for a cpu {row.cpu_wait_share:.0%}   "
            f"{row.rss_bytes / 1e6:.0f} MB",
        )

    def finished(self, result: dict[str, Any]) -> None:
        self._draw()

    def _draw(self, *lines: str) -> None:
        width = shutil.get_terminal_size().columns
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"\x1b[2K{line[: width - 1]}\n" for line in lines)
        self._stream.write(f"{up}\r{text}\x1b[J")
        self._stream.flush()
        self._drawn = len(lines)


def line_of(row: Row) -> str:
    """Return one second as a line."""
    bad = row.http_errors + row.connection_errors + row.timeouts
    return (
        f"{row.to_s:6.0f} s  {row.ok:>8,} ok/s  {bad:>6,} failed  {row.in_flight:>5,} in flight  "
        f"p50 {time_text(row.p50_s)}  p99 {time_text(row.p99_s)}  cpu {row.cpu_share:.0%}"
    )


def bars(values: list[int] | list[float]) -> str:
    """Return a row of bars, the highest of all full."""
    highest = max(values, default=0)
    if not highest:
        return ""
    return "".join(BARS[round(value / highest * (len(BARS) - 1))] for value in values)
