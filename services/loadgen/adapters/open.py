"""The open model: arrivals that wait for nobody. A late send keeps its intended time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from services.loadgen.adapters.alarm import alarm
from services.loadgen.adapters.connection import Connection, now_ns
from services.loadgen.adapters.driver import Driver
from services.loadgen.adapters.prepared import Origin, Preparation, Prepared
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.domain.plan import Plan

LEAST_GAP_NS = 100_000  # arrivals that are closer share a wake-up
AT_ONCE = 256  # arrivals between two looks at the sockets


class Pool:
    """Connections to one origin, and what waits for one."""

    __slots__ = ("idle", "open", "waiting")

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.open = 0
        self.waiting: deque[tuple[int, Prepared]] = deque()


class OpenDriver(Driver):
    """Sends by an absolute schedule, on at most `connections` connections to each origin."""

    def __init__(
        self,
        plan: Plan,
        arrivals: Iterator[int],
        preparation: Preparation,
        mixture: Iterator[Prepared],
        recorder: Recorder,
        *,
        connections: int,
        max_in_flight: int | None,
    ) -> None:
        super().__init__(plan, preparation, mixture, recorder)
        self._arrivals = arrivals
        self._most = connections
        self._max_in_flight = max_in_flight
        self._pools: dict[Origin, Pool] = {}
        self._epoch_ns = 0
        self._due_ns: int | None = None
        self._alarm = alarm(self._ring)

    @property
    def precise(self) -> bool:
        return self._alarm.precise

    def begin(self, epoch_ns: int) -> None:
        self._epoch_ns = self.last_sent_ns = epoch_ns
        self._advance()
        if self._due_ns is not None:
            self._alarm.arm(self._due_ns)

    def finished(self) -> bool:
        return self.stopped or self._due_ns is None

    @property
    def load_ended_ns(self) -> int:
        return self.last_sent_ns

    @property
    def waiting(self) -> int:
        return sum(len(pool.waiting) for pool in self._pools.values())

    def waiting_since(self) -> list[int]:
        return [intended_ns for pool in self._pools.values() for intended_ns, _ in pool.waiting]

    def close(self) -> None:
        super().close()
        self._alarm.close()

    def _advance(self) -> None:
        offset_ns = next(self._arrivals, None)
        self._due_ns = None if offset_ns is None else self._epoch_ns + offset_ns

    def _ring(self) -> None:
        at_ns = now_ns()
        due_ns = self._due_ns
        left = AT_ONCE
        while due_ns is not None and due_ns <= at_ns and left and not self.stopped:
            self._arrive(due_ns, at_ns)
            self._advance()
            due_ns = self._due_ns
            left -= 1
            at_ns = now_ns()
        if due_ns is not None and not self.stopped:
            self._alarm.arm(max(due_ns, at_ns + LEAST_GAP_NS) if left else at_ns)

    def _arrive(self, intended_ns: int, at_ns: int) -> None:
        recorder = self.recorder
        recorder.offered += 1
        recorder.lag.append(at_ns - intended_ns)
        if self._max_in_flight is not None and self._out() >= self._max_in_flight:
            recorder.shed += 1
            return
        self._take_up(intended_ns)

    def _take_up(self, intended_ns: int) -> None:
        """Send what has arrived, or let it wait for a connection."""
        prepared = next(self._mixture)
        pool = self._pools.get(prepared.origin)
        if pool is None:
            pool = self._pools[prepared.origin] = Pool()
        if pool.idle:
            self.reuse(pool.idle.pop(), prepared, intended_ns)
        elif pool.open < self._most:
            pool.open += 1
            self.start(prepared, intended_ns, pool)
        else:
            self.recorder.waited += 1
            pool.waiting.append((intended_ns, prepared))

    def _out(self) -> int:
        return sum(pool.open - len(pool.idle) + len(pool.waiting) for pool in self._pools.values())

    def ended(self, connection: Connection) -> None:
        pool: Pool = connection.tag
        if self.stopped or not pool.waiting:
            self._release(connection, pool)
            return
        if connection.reusable and connection.request.origin is pool.waiting[0][1].origin:
            intended_ns, prepared = pool.waiting.popleft()
            self.reuse(connection, prepared, intended_ns)
            return
        self._release(connection, pool)
        if pool.waiting and not pool.idle and not self.stopped:
            intended_ns, prepared = pool.waiting.popleft()
            pool.open += 1
            self.start(prepared, intended_ns, pool)

    def _release(self, connection: Connection, pool: Pool) -> None:
        if connection.reusable and self._pools.get(connection.request.origin) is pool:
            pool.idle.append(connection)
            return
        pool.open -= 1
        if connection.open:
            connection.close()
            self.connections.discard(connection)

    def unused(self, connection: Connection) -> None:
        pool: Pool = connection.tag
        if connection in pool.idle:
            pool.idle.remove(connection)
            pool.open -= 1
