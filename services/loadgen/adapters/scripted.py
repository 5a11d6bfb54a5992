"""The two models, with users written in Python in the place of single requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from services.loadgen.adapters.closed import ClosedDriver
from services.loadgen.adapters.closed import User as Slot
from services.loadgen.adapters.connection import Connection, now_ns
from services.loadgen.adapters.driver import Driver
from services.loadgen.adapters.open import OpenDriver
from services.loadgen.adapters.prepared import Preparation
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.adapters.scenario import Rounds, Scenario, User
from services.loadgen.domain.plan import Closed, Plan


class ClosedScenario(ClosedDriver):
    """So many users, each of whom begins anew when a round is over."""

    reads_bodies = True

    def __init__(
        self, plan: Plan, load: Closed, preparation: Preparation, recorder: Recorder, scenario: Scenario
    ) -> None:
        super().__init__(plan, load, preparation, iter(()), recorder)
        self._rounds = Rounds(self, preparation, scenario)
        self._personas: dict[Slot, User] = {}

    def close(self) -> None:
        self._rounds.cancel()
        super().close()

    def idle(self) -> bool:
        return not self._rounds.running and super().idle()

    def answered(self, connection: Connection, at_ns: int) -> None:
        Driver.answered(self, connection, at_ns)  # not the short way of plain users

    def ended(self, connection: Connection) -> None:
        self._rounds.answered(connection)

    def unused(self, connection: Connection) -> None:
        self._rounds.unused(connection)

    def _next(self, slot: Slot, intended_ns: int) -> None:
        if self.stopped or self._stages_over or not slot.active or slot.left == 0:
            return
        slot.left -= 1
        slot.waits = True
        user = self._personas.get(slot)
        if user is None:
            number = len(self._personas) * self.plan.shares + self.plan.share
            user = self._personas[slot] = User(self._rounds, number)
        self._rounds.begin(user, lambda: self._again(slot))

    def _again(self, slot: Slot) -> None:
        slot.waits = False
        at_ns = now_ns()
        if self._think_ns:
            self._later(slot, at_ns + self._think_ns)
        else:
            asyncio.get_running_loop().call_soon(self._next, slot, at_ns)


class OpenScenario(OpenDriver):
    """Users who come by the clock, do one round and go. Their connections go to whoever comes next.

    At most `connections` users are there at once; who comes meanwhile waits, and their
    first request keeps the time at which it was due.
    """

    reads_bodies = True

    def __init__(
        self,
        plan: Plan,
        arrivals: Iterator[int],
        preparation: Preparation,
        recorder: Recorder,
        scenario: Scenario,
        *,
        connections: int,
        max_in_flight: int | None,
    ) -> None:
        super().__init__(
            plan,
            arrivals,
            preparation,
            iter(()),
            recorder,
            connections=connections,
            max_in_flight=max_in_flight,
        )
        self._rounds = Rounds(self, preparation, scenario)
        self._queue: deque[int] = deque()
        self._gone: list[User] = []
        self._personas = 0
        self._last_began_ns = 0

    @property
    def users(self) -> int:
        return self._rounds.running

    @property
    def load_ended_ns(self) -> int:
        return self._last_began_ns

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def waiting_since(self) -> list[int]:
        return list(self._queue)

    def begin(self, epoch_ns: int) -> None:
        self._last_began_ns = epoch_ns
        super().begin(epoch_ns)

    def close(self) -> None:
        self._rounds.cancel()
        super().close()

    def idle(self) -> bool:
        return not self._rounds.running and super().idle()

    def ended(self, connection: Connection) -> None:
        self._rounds.answered(connection)

    def unused(self, connection: Connection) -> None:
        self._rounds.unused(connection)

    def _out(self) -> int:
        return self._rounds.running + len(self._queue)

    def _take_up(self, intended_ns: int) -> None:
        if self._rounds.running < self._most:
            self._begin(intended_ns)
        else:
            self.recorder.waited += 1
            self._queue.append(intended_ns)

    def _begin(self, intended_ns: int) -> None:
        if self._gone:
            user = self._gone.pop()
        else:
            user = User(self._rounds, self._personas * self.plan.shares + self.plan.share)
            self._personas += 1
        self._last_began_ns = now_ns()
        self._rounds.begin(user, lambda: self._went(user), late_ns=self._last_began_ns - intended_ns)

    def _went(self, user: User) -> None:
        self._gone.append(user)
        if self._queue and not self.stopped:
            self._begin(self._queue.popleft())
