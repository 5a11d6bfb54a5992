"""A pool's own numbers, under OpenTelemetry's names where it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from atalaia.events.metrics import HistogramDelta
from atalaia.events.series import spell
from atalaia.stats.histogram import Histogram

POOL_NAME = "db.client.connection.pool.name"
STATE = "db.client.connection.state"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many connections there are at this moment, and how many callers wait for one."""

    used: int
    idle: int
    waiting: int
    kept: int
    most: int


@dataclass(slots=True)
class DatabaseMetrics:
    """Counts of one pool since it was made. `sizes` asks the pool for what it is now."""

    name: str
    sizes: Callable[[], Sizes]
    timeouts: int = 0
    recycled: int = 0
    failed_checks: int = 0
    retries: int = 0
    slow_statements: int = 0
    unwaited: int = 0
    _waits: Histogram = field(default_factory=Histogram)

    def waited(self, seconds: float) -> None:
        """Record one wait for a connection; who got one at once is counted in `unwaited`."""
        self._waits.record(seconds)

    def gauges(self) -> dict[str, float]:
        """Return what is now, by series."""
        now = self.sizes()
        return {
            self._series("db.client.connection.count", state="idle"): float(now.idle),
            self._series("db.client.connection.count", state="used"): float(now.used),
            self._series("db.client.connection.max"): float(now.most),
            self._series("db.client.connection.idle.min"): float(now.kept),
            self._series("db.client.connection.pending_requests"): float(now.waiting),
        }

    def counters(self) -> dict[str, float]:
        """Return what only grows, by series. The last four have no name in OpenTelemetry."""
        return {
            self._series("db.client.connection.timeouts"): float(self.timeouts),
            self._series("db.client.connection.recycled"): float(self.recycled),
            self._series("db.client.connection.failed_checks"): float(self.failed_checks),
            self._series("db.client.retries"): float(self.retries),
            self._series("db.client.slow_statements"): float(self.slow_statements),
        }

    def histograms(self) -> dict[str, HistogramDelta]:
        """Return the waits since the last call, in seconds: one reader takes them."""
        waits, self._waits = self._waits, Histogram()
        if self.unwaited:
            waits.record(0.0, times=self.unwaited)
            self.unwaited = 0
        return {self._series("db.client.connection.wait_time"): HistogramDelta.of(waits)}

    def _series(self, metric: str, *, state: str = "") -> str:
        labels = {POOL_NAME: self.name}
        return spell(metric, {**labels, STATE: state} if state else labels)
