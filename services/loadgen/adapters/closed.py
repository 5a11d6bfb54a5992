"""The closed model: users who wait for each answer before they send again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from services.loadgen.adapters.connection import Connection, now_ns
from services.loadgen.adapters.driver import NS, Driver
from services.loadgen.adapters.prepared import Preparation, Prepared
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.domain.plan import Closed, Plan, share_of

PAUSE_AFTER_FAILURE_S = 0.05  # who cannot connect does not try as fast as the machine can


class User:
    """One who sends, waits, thinks. `left` counts down to 0; below, it never ends."""

    __slots__ = ("active", "due_ns", "idle", "left", "waits")

    def __init__(self, left: int) -> None:
        self.left = left
        self.active = True
        self.waits = False
        self.due_ns = 0
        self.idle: Connection | None = None


class ClosedDriver(Driver):
    """Users come and go with the plan's steps. Each has a connection of its own."""

    def __init__(
        self,
        plan: Plan,
        load: Closed,
        preparation: Preparation,
        mixture: Iterator[Prepared],
        recorder: Recorder,
    ) -> None:
        super().__init__(plan, preparation, mixture, recorder)
        self._load = load
        self._users: list[User] = []
        self._think_ns = int(load.think_s * NS)
        self._stages_over = False
        # one request alone, and nothing between answer and request: the shortest way
        alone = len(plan.requests) == 1 and not self._think_ns
        self._only = next(mixture, None) if alone else None
        self._begun = False

    @property
    def users(self) -> int:
        return sum(user.active and user.left != 0 for user in self._users)

    def begin(self, epoch_ns: int) -> None:
        loop = asyncio.get_running_loop()
        after_s = max(0.0, (epoch_ns - now_ns()) / NS)
        self.last_ended_ns = epoch_ns
        for step in self._load.steps:
            users = share_of(step.users, self.plan.share, self.plan.shares)
            loop.call_later(after_s, self._become, users)
            if step.duration_s is None:
                return
            after_s += step.duration_s
        loop.call_later(after_s, self._over)

    def finished(self) -> bool:
        done = self._begun and self._load.requests_each is not None and self.users == 0
        return self.stopped or self._stages_over or done

    def _become(self, users: int) -> None:
        self._begun = True
        at_ns = now_ns()
        for user in self._users[users:]:
            user.active = False
        for user in self._users[:users]:
            if not user.active:
                user.active = True
                if not user.waits:
                    self._next(user, at_ns)
        while len(self._users) < users:
            each = self._load.requests_each
            user = User(-1 if each is None else each)
            self._users.append(user)
            self._next(user, at_ns)

    def _over(self) -> None:
        self._stages_over = True

    def answered(self, connection: Connection, at_ns: int) -> None:
        user = connection.tag
        only = self._only
        if only is None or self._follow or self._stages_over or not connection.reusable or not user.active:
            super().answered(connection, at_ns)
            return
        recorder = self.recorder
        recorder.answered(connection, at_ns)
        self.last_ended_ns = at_ns
        if user.left:
            user.left -= 1
            recorder.sent += 1
            connection.send(only.data, at_ns, head_only=only.head_only)
        else:
            user.waits = False

    def ended(self, connection: Connection) -> None:
        user: User = connection.tag
        user.waits = False
        user.idle = connection if connection.reusable else None
        at_ns = now_ns()
        if self._think_ns:
            self._later(user, at_ns + self._think_ns)
        elif not connection.connected_ns and not connection.open:
            self._later(user, at_ns + int(PAUSE_AFTER_FAILURE_S * NS))
        else:
            self._next(user, at_ns)

    def unused(self, connection: Connection) -> None:
        user: User = connection.tag
        if user.idle is connection:
            user.idle = None

    def _later(self, user: User, due_ns: int) -> None:
        loop = asyncio.get_running_loop()
        user.waits = True
        user.due_ns = due_ns
        loop.call_later(max(0.0, (due_ns - now_ns()) / NS), self._thought, user)

    def _thought(self, user: User) -> None:
        user.waits = False
        self._next(user, user.due_ns)

    def _next(self, user: User, intended_ns: int) -> None:
        if self.stopped or self._stages_over or not user.active or user.left == 0:
            return
        user.left -= 1
        user.waits = True
        prepared = self._only or next(self._mixture)
        idle, user.idle = user.idle, None
        if idle is not None and idle.reusable and idle.request.origin is prepared.origin:
            self.reuse(idle, prepared, intended_ns)
            return
        if idle is not None:
            idle.close()
            self.connections.discard(idle)
        self.start(prepared, intended_ns, user)
