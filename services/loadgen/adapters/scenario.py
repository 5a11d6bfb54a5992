"""Users written in Python: coroutines on the same connections, stamps and books.

async def user(u):                       # one round of one user
    page = await u.get("/items")
    u.check("has items", page.status == 200 and len(page.json()) > 0)
    await u.post("/basket", json={"item": u.dice.choice(page.json())})
    await u.sleep(0.2)
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json as _json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from atalaia.errors import Invalid, Misconfigured
from services.loadgen.adapters.connection import Connection, ReadingConnection, now_ns
from services.loadgen.adapters.driver import Driver
from services.loadgen.adapters.prepared import Origin, Preparation, Prepared
from services.loadgen.domain.plan import Request

Scenario = Callable[["User"], Awaitable[None]]
MOST_PREPARED = 10_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `status` is 0 where nothing whole did."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 400

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body's JSON; None where it is none."""
        try:
            return _json.loads(self.body)
        except ValueError:
            return None


class User:
    """What a scenario is given. `number` counts users, `round` their rounds, from 0; `dice` are its own."""

    def __init__(self, rounds: Rounds, number: int) -> None:
        self.number = number
        self.round = -1
        self.dice = random.Random(number)
        self.late_ns = 0
        self.idle: dict[Origin, Connection] = {}
        self._rounds = rounds

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        return await self.request("GET", url, headers=headers)

    async def post(
        self, url: str, *, json: Any = None, body: str = "", headers: Mapping[str, str] | None = None
    ) -> Reply:
        return await self.request("POST", url, json=json, body=body, headers=headers)

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        body: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send, and return the reply; a connection that breaks is a reply with status 0.

        A `url` without a host is below `--url`. `json` is sent as such, with its content type.
        """
        given = dict(headers or {})
        if json is not None:
            body = _json.dumps(json)
            given.setdefault("Content-Type", "application/json")
        return await self._rounds.request(self, method, url, tuple(given.items()), body)

    def check(self, name: str, held: object) -> bool:
        """Count a check; return whether it held."""
        books = self._rounds.recorder.passed if held else self._rounds.recorder.failed
        books[name] += 1
        return bool(held)

    async def sleep(self, seconds: float) -> None:
        """Think."""
        await asyncio.sleep(seconds)


class Rounds:
    """Rounds of users on a driver's connections. A user keeps theirs from round to round."""

    def __init__(self, driver: Driver, preparation: Preparation, scenario: Scenario) -> None:
        self.recorder = driver.recorder
        self._driver = driver
        self._preparation = preparation
        self._scenario = scenario
        self._known: dict[tuple[str, str, tuple[tuple[str, str], ...], str], Prepared] = {}
        self._running: set[asyncio.Task[None]] = set()
        requests = driver.plan.requests
        self._base = requests[0].url if requests else ""

    @property
    def running(self) -> int:
        return len(self._running)

    def begin(self, user: User, over: Callable[[], None], *, late_ns: int = 0) -> None:
        """Let a user do a round, and say when it is `over`, unless it was cancelled.

        `late_ns` is how long ago it was due; the first request of the round was due so much earlier, too.
        """
        user.round += 1
        user.late_ns = late_ns
        task = asyncio.ensure_future(self._round(user))
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, over))

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()

    async def _round(self, user: User) -> None:
        await self._scenario(user)

    def _ended(self, task: asyncio.Task[None], over: Callable[[], None]) -> None:
        """A round that raises is a failed check under the error's name; the user goes on."""
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.recorder.failed[f"raised {type(error).__name__}: {error}"[:100]] += 1
        over()

    async def request(
        self, user: User, method: str, url: str, headers: tuple[tuple[str, str], ...], body: str
    ) -> Reply:
        key = (method, url, headers, body)
        prepared = self._known.get(key)
        if prepared is None:
            request = Request(urljoin(self._base, url), method, headers, body)
            prepared = await self._preparation.of(request)
            if len(self._known) < MOST_PREPARED:
                self._known[key] = prepared
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        tag = (user, reply)
        intended_ns, user.late_ns = now_ns() - user.late_ns, 0
        connection = user.idle.pop(prepared.origin, None)
        if connection is not None and connection.reusable:
            connection.tag = tag
            self._driver.reuse(connection, prepared, intended_ns)
        else:
            self._driver.start(prepared, intended_ns, tag)
        return await reply

    def answered(self, connection: Connection) -> None:
        """Give an answer, or that there is none, to whoever asked."""
        user, reply = connection.tag
        if connection.reusable:
            user.idle[connection.request.origin] = connection
        if reply.done():
            return
        assert isinstance(connection, ReadingConnection)
        body = b"".join(connection.body)
        reply.set_result(Reply(connection.status, dict(connection.headers), body))

    def unused(self, connection: Connection) -> None:
        user, _ = connection.tag
        for origin, idle in list(user.idle.items()):
            if idle is connection:
                del user.idle[origin]


def load(where: str) -> Scenario:
    """Return the coroutine function that `FILE.py` or `FILE.py:NAME` means.

    Raises:
        Misconfigured: there is no such file.
        Invalid: there is no such function in it.
    """
    path, _, name = where.partition(":")
    if not Path(path).is_file():
        raise Misconfigured(f"--scenario {path}: there is no such file")
    spec = importlib.util.spec_from_file_location("loadgen_scenario", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Any = getattr(module, name or "user", None)
    if not inspect.iscoroutinefunction(found):
        raise Invalid(f"--scenario {path}: `async def {name or 'user'}(u)` is missing")
    scenario: Scenario = found
    return scenario
