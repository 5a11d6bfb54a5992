"""What closed and open load have in common: connections, timeouts, redirects, and the books."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Iterator

from atalaia.errors import Invalid, Misconfigured
from services.loadgen.adapters.connection import Connection, ReadingConnection, now_ns
from services.loadgen.adapters.prepared import Preparation, Prepared
from services.loadgen.adapters.recorder import Recorder
from services.loadgen.domain.plan import Plan

NS = 1_000_000_000
REDIRECTS = (301, 302, 303, 307, 308)
MOST_HOPS = 10
OWN_FAULTS = {
    errno.EMFILE: "no_descriptors",
    errno.ENFILE: "no_descriptors",
    errno.EADDRNOTAVAIL: "no_ports",
    errno.ENOBUFS: "no_buffers",
    errno.ENOMEM: "no_memory",
}


class Driver:
    """Owns all connections of one worker. Each request that is taken up ends exactly once, in `ended`."""

    reads_bodies = False

    def __init__(
        self, plan: Plan, preparation: Preparation, mixture: Iterator[Prepared], recorder: Recorder
    ) -> None:
        self.plan = plan
        self.recorder = recorder
        self._preparation = preparation
        self._mixture = mixture
        self._timeout_ns = int(plan.timeout_s * NS)
        self._follow = plan.follow_redirects
        self._connecting: dict[Connection, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        self.stopped = False
        self.last_sent_ns = 0
        self.last_ended_ns = 0

    # what the models differ in

    def begin(self, epoch_ns: int) -> None:
        """Start to send; times count from `epoch_ns`."""
        raise NotImplementedError

    def ended(self, connection: Connection) -> None:
        """A request of this connection came to its end, whichever; the books are written."""
        raise NotImplementedError

    def unused(self, connection: Connection) -> None:
        """An idle connection is gone."""

    def finished(self) -> bool:
        """Whether nothing more will come to be due."""
        raise NotImplementedError

    def waiting_since(self) -> list[int]:
        """Return the intended times of requests that are due and not taken up."""
        return []

    @property
    def waiting(self) -> int:
        """Return how many requests are due and not taken up."""
        return 0

    @property
    def users(self) -> int:
        return 0

    @property
    def load_ended_ns(self) -> int:
        """Return when the load was over, as far as it is."""
        return self.last_ended_ns

    # taking up

    def start(self, prepared: Prepared, intended_ns: int, tag: object) -> None:
        """Take a request up on a new connection."""
        self.recorder.sent += 1
        self._open(self._new(), prepared, intended_ns, tag)

    def _open(self, connection: Connection, prepared: Prepared, intended_ns: int, tag: object) -> None:
        connection.request, connection.tag = prepared, tag
        connection.keep_alive = self.plan.keep_alive
        connection.busy = True
        connection.intended_ns = intended_ns
        connection.written_ns = self.last_sent_ns = now_ns()
        self.connections.add(connection)
        task = asyncio.get_running_loop().create_task(self._connect(connection, prepared))
        self._connecting[connection] = task

    def reuse(self, connection: Connection, prepared: Prepared, intended_ns: int) -> None:
        """Take a request up on a connection that is open and idle."""
        connection.request = prepared
        self.recorder.sent += 1
        connection.send(prepared.data, intended_ns, head_only=prepared.head_only)
        self.last_sent_ns = connection.written_ns

    def _new(self) -> Connection:
        return ReadingConnection(self) if self._follow or self.reads_bodies else Connection(self)

    async def _connect(self, connection: Connection, prepared: Prepared) -> None:
        origin = prepared.origin
        name = origin.host if origin.tls else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, origin.address, origin.port, ssl=origin.tls, server_hostname=name
            )
        except OSError as error:  # ssl.SSLError is one
            self._connecting.pop(connection, None)
            connection.busy = False
            self._broke(connection, why_not(error), own=error.errno in OWN_FAULTS)
            return
        self._connecting.pop(connection, None)

    # Owner

    def made(self, connection: Connection) -> None:
        prepared: Prepared = connection.request
        self.recorder.connect.append(connection.connected_ns - connection.written_ns)
        connection.send(prepared.data, connection.intended_ns, head_only=prepared.head_only)

    def answered(self, connection: Connection, at_ns: int) -> None:
        if self._follow and connection.status in REDIRECTS and self._redirects(connection):
            return
        if self._follow and isinstance(connection, ReadingConnection) and connection.hops:
            connection.written_ns = connection.first_written_ns  # the service time is that of the whole chain
            connection.hops = connection.first_written_ns = 0
        self.recorder.answered(connection, at_ns)
        self._ended(connection, at_ns)

    def broken(self, connection: Connection, why: str) -> None:
        self._broke(connection, why)

    def gone(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self.unused(connection)

    def _broke(self, connection: Connection, why: str, *, own: bool = False) -> None:
        connection.status = 0
        self.recorder.broke(why, own=own)
        self._ended(connection, now_ns())

    def _ended(self, connection: Connection, at_ns: int) -> None:
        self.last_ended_ns = at_ns
        if not connection.reusable:
            self.connections.discard(connection)
        self.ended(connection)

    # time

    def sweep(self) -> None:
        """End what has been out for longer than the timeout."""
        at_ns = now_ns()
        before_ns = at_ns - self._timeout_ns
        late = [one for one in self.connections if one.busy and one.written_ns < before_ns]
        for connection in late:
            connecting = self._connecting.pop(connection, None)
            if connecting is not None:
                connecting.cancel()
            connection.close()
            connection.status = 0
            self.recorder.timed_out(connection.intended_ns, connection.written_ns, at_ns)
            self._ended(connection, at_ns)

    def idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        return not any(one.busy for one in self.connections) and not self.waiting_since()

    def out_since(self) -> list[int]:
        """Return the intended times of the requests in flight."""
        return [connection.intended_ns for connection in self.connections if connection.busy]

    def close(self) -> None:
        """Drop every connection. The books are closed before: nothing is counted any more."""
        self.stopped = True
        for task in (*self._connecting.values(), *self._following):
            task.cancel()
        for connection in self.connections:
            connection.close()

    # redirects

    def _redirects(self, connection: Connection) -> bool:
        assert isinstance(connection, ReadingConnection)
        location = connection.header("location")
        if location is None:
            return False
        connection.busy = True  # the request goes on: it is in flight until its last answer
        connection.first_written_ns = connection.first_written_ns or connection.written_ns
        task = asyncio.get_running_loop().create_task(self._go_on(connection, location))
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return True

    async def _go_on(self, before: ReadingConnection, location: str) -> None:
        following: Prepared | None = None
        why = "too_many_redirects"
        if before.hops < MOST_HOPS:
            try:
                following = await self._preparation.redirected(before.request, before.status, location)
            except (Invalid, Misconfigured):
                why = "redirect_refused"
        if not before.busy:
            return  # it timed out, or broke, meanwhile
        if following is None:
            before.close()
            self._broke(before, why)
        elif before.reusable and following.origin is before.request.origin:
            before.hops += 1
            before.request = following
            before.send(following.data, before.intended_ns, head_only=following.head_only)
        else:
            after = ReadingConnection(self)
            after.hops, after.first_written_ns = before.hops + 1, before.first_written_ns
            self.connections.discard(before)
            before.close()
            self._open(after, following, before.intended_ns, before.tag)


def why_not(error: OSError) -> str:
    """Return what kept a connection from being made, as one word."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError):
        return "reset"
    return OWN_FAULTS.get(error.errno or 0) or errno.errorcode.get(error.errno or 0, "unreachable").lower()
