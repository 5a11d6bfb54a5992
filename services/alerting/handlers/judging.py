"""Judging: one session after another, each built from what Postgres says is done.

A session outlives a store that is away: it judges on, and writes when it can. It ends with the
broker, with its leases, and when more waits to be written than it may hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from atalaia import log as _log
from atalaia.broker.pull import Stored
from atalaia.clock import Clock
from atalaia.errors import Invalid, NotFound, Transient
from atalaia.events.metrics import Measurements
from atalaia.events.subjects import PARTITIONS, partition_in
from atalaia.service import Instruments
from services.alerting.domain.alert import Change
from services.alerting.domain.judge import Judge, RuleState
from services.alerting.domain.rules import Rules
from services.alerting.handlers.reading import BatchReader
from services.alerting.handlers.session import Session
from services.alerting.handlers.writing import Writing
from services.alerting.ports import Census, DeadLetters, Lease, Letter, Position, Store

_log_ = _log.get("judging")
COMMIT_EVERY_S = 1.0
Give = Callable[[Measurements, datetime, int], None]
WAIT_S = 0.25
TICK_S = 0.25
REST_S = 0.002  # between rounds: many messages that come one by one are judged and committed together
AT_ONCE = 50  # messages; then others have their turn
REPLAYED_AT_LEAST_S = 30.0  # so that the order of the last messages is known, whatever the rules need
STANDBY_S = 2.0


class Stream(Protocol):
    """The metrics stream."""

    async def created(self) -> tuple[datetime, int, int]:
        """Return (when the stream was made, its first sequence, its last sequence).

        Raises:
            Transient: the broker does not say within a few seconds.
        """

    async def newest(self, partition: int, up_to: int) -> list[Stored]:
        """Return the newest message of each subject of a partition, at or before a sequence."""

    async def between(self, since: datetime, up_to: int, partitions: list[int]) -> list[Stored]:
        """Return the messages from a time on, up to a sequence."""

    async def read(self, from_sequence: int) -> Reading:
        """Read from a sequence on, the messages of all partitions."""


class Reading(Protocol):
    """A reader of it: see `atalaia.broker.pull.Reader`."""

    arrived: asyncio.Event

    @property
    def caught_up(self) -> bool: ...

    def take(self) -> list[Stored]: ...

    async def close(self) -> None: ...


Decide = Callable[[Judge, datetime], Change]


class Asked(NamedTuple):
    """A person's request: what to decide, and who waits for its commit."""

    decide: Decide
    done: asyncio.Future[None]


class Judging:
    """Owns the judge. Requests and reloads are taken in between messages, by the same task."""

    def __init__(
        self,
        *,
        store: Store,
        stream: Stream,
        dead: DeadLetters,
        clock: Clock,
        rules: Rules,
        new_id: Callable[[datetime], str],
        announce: Callable[[], None],
        instruments: Instruments,
        started: asyncio.Event,
        retry_after_s: float = 0.5,
    ) -> None:
        self._store, self._stream, self._dead = store, stream, dead
        self._clock = clock
        self._rules = rules
        self._new_id = new_id
        self._announce = announce
        self._instruments = instruments
        self._started = started
        self._retry_after_s = retry_after_s
        self._requests: list[Asked] = []
        self._new_rules: Rules | None = None
        self._wake = asyncio.Event()
        self.trouble = ""
        self.rules_trouble = ""
        self.fences: dict[int, int] = {}
        self._held: dict[int, int] = {}  # the last session's, until the next one has begun
        self._sitting: Judge | None = None
        self.lag = 0
        """Messages that are stored and not judged yet, in the partitions held here."""

    async def run(self) -> None:
        """Judge for ever. What fails ends the session; the next one starts from what is committed."""
        while True:
            try:
                await self._session()
            except Transient as error:
                self._interrupted(error)
                await asyncio.sleep(self._retry_after_s)

    async def ask(self, decide: Decide) -> None:
        """Have the judge decide what a person asks for; return once that is committed.

        Raises:
            NotFound: as `decide` does. Transient: judging is interrupted.
        """
        if self.trouble or not self.fences:
            raise Transient(self.trouble or "nothing is judged here at the moment")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.append(Asked(decide, done))
        self._wake.set()
        await done

    def rule_states(self) -> list[RuleState]:
        """Return what there is to say of each rule here; nothing while nothing is judged."""
        return self._sitting.states() if self._sitting is not None else []

    def reload(self, rules: Rules) -> None:
        """Judge by other rules from the next message on."""
        self._new_rules = rules
        self._wake.set()

    async def _session(self) -> None:
        made = await self._heard_of()
        leases = await self._store.acquire(_share(await self._store.census()))
        self._held = {lease.partition: lease.fence for lease in leases}
        if not leases:
            self.trouble = ""  # whoever stands by is not in trouble
            self._refuse_requests(Transient("this replica stands by; try again"))
            self._started.set()
            await asyncio.sleep(STANDBY_S)
            return
        session = await self._restored(leases, *made)
        self.fences, self._sitting = session.fences, session.judge
        reading = await self._stream.read(min(session.positions.values()) + 1)
        reading.arrived = self._wake  # one event for messages, requests and reloads
        self._wake.set()
        try:
            changes = session.taken()
            await self._write(session, session.position, changes)
            self._written(changes)
            self._started.set()
            await self._judge_and_write(session, reading)
        finally:
            self.fences, self._sitting = {}, None
            await reading.close()

    async def _heard_of(self) -> tuple[datetime, int, int]:
        """Ask for the stream before leases are taken: who cannot hear must not hold what others could.

        Raises:
            Transient: nothing is heard; what was held is handed back.
        """
        try:
            return await self._stream.created()
        except Transient:
            held, self._held = self._held, {}
            if held:
                await self._store.release(held)
                _log_.warning("partitions_handed_back", reason="the broker is not heard", count=len(held))
            raise

    async def _restored(self, leases: list[Lease], created: datetime, first: int, last: int) -> Session:
        positions = {}
        since: datetime | None = None
        for lease in leases:
            same = lease.position.stream_created == created and lease.position.sequence <= last
            positions[lease.partition] = lease.position.sequence if same else 0
            if same and lease.position.stored_at is not None:
                since = min(since or lease.position.stored_at, lease.position.stored_at)
        judge = Judge(self._rules, self._new_id)
        session = Session(
            judge,
            BatchReader(),
            {lease.partition: lease.fence for lease in leases},
            positions,
            created,
            Position(created, min(positions.values()), since),
        )
        judge.restore(
            await self._store.load(list(positions)), await self._store.lately_fired(list(positions))
        )
        if since is not None:
            await self._replay(session, since)
        session.changes += judge.reload(self._rules, self._clock.now())
        lost = first - 1 - session.position.sequence
        if session.position.sequence and lost > 0:
            self._instruments.add("atalaia.alerting.unjudged_messages", lost)
        return session

    async def _replay(self, session: Session, since: datetime) -> None:
        """Bring windows and last values back as they were at the position, in silence."""
        judge, positions = session.judge, session.positions
        # first who is there: the replay needs members and layouts
        asked = [
            self._stream.newest(partition, position) for partition, position in positions.items() if position
        ]
        for newest in await asyncio.gather(*asked):
            for stored in newest:
                self._again(session, stored, judge.seed)
        start = since - timedelta(seconds=max(judge.longest_window_s, REPLAYED_AT_LEAST_S))
        for stored in await self._stream.between(start, max(positions.values()), list(positions)):
            if stored.sequence <= positions.get(partition_in(stored.subject), 0):
                self._again(session, stored, judge.replay)

    def _again(self, session: Session, stored: Stored, give: Give) -> None:
        try:
            batch = session.reader.read(stored.subject, stored.body, stored.stored_at)
        except Invalid:
            return  # it was buried when it came
        give(batch, stored.stored_at, partition_in(stored.subject))

    async def _judge_and_write(self, session: Session, reading: Reading) -> None:
        async def write(position: Position, changes: Sequence[Change]) -> None:
            await self._write(session, position, changes)

        writing = Writing(
            write, written=self._written, failed=self._interrupted, retry_after_s=self._retry_after_s
        )
        writer = asyncio.create_task(writing.run())
        writer.add_done_callback(lambda _: self._wake.set())
        looking = asyncio.create_task(self._look_for_others(session))
        try:
            await self._judge(session, reading, writing, [writer, looking])
        finally:
            ending = [writer, looking, *session.burying]
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)
            writing.refuse(Transient("judging begins anew; try again"))

    async def _judge(
        self, session: Session, reading: Reading, writing: Writing, beside: Sequence[asyncio.Task[None]]
    ) -> None:
        """Judge until there are partitions to take over, or to hand back; the next session sees to it."""
        session.handed_s = session.ticked_s = self._clock.monotonic_s()
        while True:
            if not self._requests and self._new_rules is None:
                await _soon(self._wake.wait(), WAIT_S)
            for task in beside:
                if task.done():
                    task.result()
            if session.unfair and not self.trouble:
                if writing.idle:
                    return
                await asyncio.sleep(REST_S)
                continue
            messages = reading.take()
            if messages:
                self.lag = session.share_of(len(messages) + messages[-1].pending)
            for begin in range(0, len(messages), AT_ONCE):
                for stored in messages[begin : begin + AT_ONCE]:
                    self._one(session, stored)
                if begin + AT_ONCE < len(messages):
                    self._hand_over(session, writing)
                    await asyncio.sleep(0)
                    await writing.room()
                    await session.room()
            if reading.caught_up:
                self.lag = 0
            requests = self._apply(session)
            now_s = self._clock.monotonic_s()
            self._tick(session, now_s, heard_all=reading.caught_up)
            # the lease is renewed by each commit, so an idle judge commits, too
            if requests or (writing.idle and now_s - session.handed_s >= COMMIT_EVERY_S):
                session.handed_s = now_s
                writing.add(session.judged(self._dead, [one.done for one in requests]))
            self._hand_over(session, writing)
            if messages:
                await asyncio.sleep(REST_S if reading.caught_up else 0)

    def _hand_over(self, session: Session, writing: Writing) -> None:
        """Have what was decided be written. Raises `Transient` as `Writing.add` does."""
        if session.changes or session.letters:
            session.handed_s = self._clock.monotonic_s()
            writing.add(session.judged(self._dead))

    async def _look_for_others(self, session: Session) -> None:
        """Notice that partitions should change hands."""
        while True:
            await asyncio.sleep(STANDBY_S)
            try:
                census = await self._store.census()
            except Transient:
                continue  # whoever writes says so
            held, share = len(session.fences), _share(census)
            session.unfair = held > share or (held < share and census.vacant > 0)

    def _tick(self, session: Session, now_s: float, *, heard_all: bool) -> None:
        """Let silence count, for as long as it could have been broken."""
        elapsed_s = now_s - session.ticked_s
        if elapsed_s < TICK_S:
            return
        session.ticked_s = now_s
        if heard_all and elapsed_s < 5 * WAIT_S:
            session.changes += session.judge.tick(timedelta(seconds=elapsed_s), self._clock.now())

    def _one(self, session: Session, stored: Stored) -> None:
        partition = partition_in(stored.subject)
        if stored.sequence <= session.positions.get(partition, 0):
            return
        if session.judges(partition):
            self._judged(session, stored, partition)
        session.position = Position(session.created, stored.sequence, stored.stored_at)

    def _judged(self, session: Session, stored: Stored, partition: int) -> None:
        try:
            batch = session.reader.read(stored.subject, stored.body, stored.stored_at)
        except Invalid as error:
            session.letters.append(Letter(stored.subject, stored.body, stored.sequence, str(error)))
            self._instruments.add("atalaia.alerting.dead_letters")
        else:
            session.changes += session.judge.observe(batch, stored.stored_at, partition)

    def _apply(self, session: Session) -> list[Asked]:
        """Do what people asked for; return the requests that a commit is to answer."""
        if self._new_rules is not None:
            self._rules, self._new_rules = self._new_rules, None
            session.changes += session.judge.reload(self._rules, self._clock.now())
        requests, self._requests = self._requests, []
        applied = []
        for request in requests:
            try:
                change = request.decide(session.judge, self._clock.now())
            except NotFound as error:
                if not request.done.done():
                    request.done.set_exception(error)
            else:
                session.changes.append(change)
                applied.append(request)
        return applied

    async def _write(self, session: Session, position: Position, changes: Sequence[Change]) -> None:
        await self._store.commit(session.fences, position, changes, judged=session.positions)

    def _written(self, changes: Sequence[Change]) -> None:
        if self.trouble:
            _log_.info("judging_resumed")
            self.trouble = ""
        announced = sum(change.transition is not None for change in changes)
        if announced:
            self._instruments.add("atalaia.alerting.transitions", announced)
            self._announce()
        if self._sitting is not None:
            for name, count in self._sitting.counters.items():
                self._instruments.counters[f"atalaia.alerting.{name}"] = count

    def _interrupted(self, error: Transient) -> None:
        if not self.trouble:
            _log_.warning("judging_interrupted", error=str(error))
        self.trouble = str(error)
        self._refuse_requests(error)

    def _refuse_requests(self, error: Transient) -> None:
        requests, self._requests = self._requests, []
        for request in requests:
            if not request.done.done():
                request.done.set_exception(Transient(str(error)))


def _share(census: Census) -> int:
    """Return how many partitions each replica may hold."""
    return -(-PARTITIONS // census.replicas)


async def _soon(awaited: Awaitable[object], within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await awaited
    except TimeoutError:
        return
