"""What a worker writes down: integers in lists, folded into histograms several times a second."""

from __future__ import annotations

from collections import Counter, defaultdict

from services.loadgen.adapters.connection import Connection
from services.loadgen.domain.histogram import Histogram
from services.loadgen.domain.window import HISTOGRAMS, Window

NS = 1e9


class Recorder:
    """The books of one worker: `sent` rises when a request is taken up, one other count when it ends."""

    def __init__(self) -> None:
        self._histograms = {name: Histogram() for name in HISTOGRAMS}
        self._lists: dict[str, list[int]] = {name: [] for name in HISTOGRAMS}
        self.response, self.service = self._lists["response"], self._lists["service"]
        self.latency, self.connect = self._lists["latency"], self._lists["connect"]
        self.failures = self._lists["failures"]
        self.lag, self.loop = self._lists["lag"], self._lists["loop"]
        self.passed: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.looked_ns = 0
        self._out_before = 0
        self._forget()

    def _forget(self) -> None:
        self.offered = self.sent = self.ok = self.http_errors = self.shed = self.received = 0
        self.own_faults = self.timeouts = self.waited = self.busy_ns = 0
        self.statuses: dict[int, int] = defaultdict(int)
        self.errors: Counter[str] = Counter()

    def answered(self, connection: Connection, at_ns: int) -> None:
        """Count an answer. Errors have times of their own, so that fast ones do not flatter the rest."""
        status = connection.status
        self.statuses[status] += 1
        self.received += connection.received
        if status < 400:
            self.ok += 1
            self.response.append(at_ns - connection.intended_ns)
            self.service.append(at_ns - connection.written_ns)
            self.latency.append(connection.first_ns - connection.written_ns)
        else:
            self.http_errors += 1
            self.failures.append(at_ns - connection.intended_ns)

    def broke(self, why: str, *, own: bool = False) -> None:
        """Count a request that ended without an answer; `own`: for want of something here, not there."""
        self.errors[why] += 1
        self.own_faults += own

    def timed_out(self, intended_ns: int, written_ns: int, at_ns: int) -> None:
        """Count a timeout, at its value, among the response times: it was at least that slow."""
        self.timeouts += 1
        self.response.append(at_ns - intended_ns)
        self.service.append(at_ns - written_ns)

    @property
    def in_flight(self) -> int:
        """Return how many requests have been taken up and have not ended, by the books."""
        ended = self.ok + self.http_errors + self.errors.total() + self.timeouts
        return self._out_before + self.sent - ended

    def look(self, at_ns: int, waiting: int) -> None:
        """Take what is out or waits now for what was since the last look."""
        self.busy_ns += (self.in_flight + waiting) * (at_ns - self.looked_ns)
        self.looked_ns = at_ns

    def fold(self) -> None:
        """Move what the lists hold into the histograms."""
        for name, values in self._lists.items():
            if values:
                self._histograms[name].record(values)
                values.clear()

    def take(self, index: int, from_s: float, to_s: float) -> Window:
        """Return what happened since the last call."""
        self.fold()
        window = Window(index, from_s, to_s)
        window.counts.update(
            offered=self.offered,
            sent=self.sent,
            ok=self.ok,
            http_errors=self.http_errors,
            connection_errors=self.errors.total(),
            timeouts=self.timeouts,
            shed=self.shed,
            waited=self.waited,
            bytes_received=self.received,
            own_faults=self.own_faults,
        )
        window.errors = self.errors
        window.statuses.update({str(status): number for status, number in self.statuses.items()})
        window.passed, window.failed = self.passed, self.failed
        window.busy_s = self.busy_ns / NS
        window.histograms = {name: histogram.take() for name, histogram in self._histograms.items()}
        self.passed, self.failed = Counter(), Counter()
        self._out_before = self.in_flight
        self._forget()
        return window
