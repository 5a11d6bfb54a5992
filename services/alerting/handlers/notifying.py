"""Notifying: what waits for the channels this replica holds leaves, is tried again, and is settled."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from atalaia import log as _log
from atalaia.clock import Clock
from atalaia.errors import NotFound, Transient
from atalaia.resilience.retry import until_done
from atalaia.service import Instruments
from services.alerting.domain.channels_file import Notifications
from services.alerting.domain.delivery import RETRY_AFTER_MOST_S, Desk
from services.alerting.domain.groups import too_old
from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.posts import Post, trial
from services.alerting.domain.silences import Silence, hidden, next_end
from services.alerting.ports import Deliveries, LeaseLost, Sender, Silences

_log_ = _log.get("notifying")
RENEW_EVERY_S = 2.0
LOOK_EVERY_S = 1.0
SILENCES_EVERY_S = 1.0
RETRY_S = 0.5
Call = Callable[[], Awaitable[None]]


class Notifier:
    """Owns the desks. Any number of replicas may run one: each channel is held by one at a time."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        silences: Silences,
        sender: Sender,
        clock: Clock,
        notifications: Notifications,
        instruments: Instruments,
        tell_others: Call,
    ) -> None:
        self._deliveries = deliveries
        self._silences = silences
        self._sender = sender
        self._clock = clock
        self._notifications = notifications
        self._instruments = instruments
        self._tell_others = tell_others
        self._posts: dict[str, Post] = {}
        self._hides: list[Silence] = []
        self._woken = asyncio.Event()
        self._stale_silences = True
        self._declared = self._draining = False
        self._flying: set[asyncio.Task[None]] = set()
        self._told_others = True
        self._began_at, self._began_s = clock.now(), clock.monotonic_s()
        self._renewed_s = self._silences_s = float("-inf")
        self.trouble = ""
        self.channels_trouble = ""

    @property
    def detail(self) -> str:
        """Return what an operator should know; nothing while all is well."""
        away = sorted(name for name, post in self._posts.items() if post.desk.open)
        said = [f"channel {name} is away: {self._posts[name].error}" for name in away]
        return "; ".join(filter(None, (self.trouble, self.channels_trouble, *said)))

    @property
    def fences(self) -> dict[str, int]:
        return {name: post.fence for name, post in self._posts.items()}

    def wake(self) -> None:
        """Look now: something was committed here."""
        self._told_others = False
        self._woken.set()

    def hear(self) -> None:
        """Look now: another replica says that something was committed, or silenced."""
        self._stale_silences = True
        self._woken.set()

    def reload(self, notifications: Notifications) -> None:
        """Use other channels and routes from now on."""
        self._notifications = notifications
        self._declared = False
        self._woken.set()

    async def run(self) -> None:
        """Notify for ever. What fails is tried again; what is under way is taken up again from Postgres."""
        async with asyncio.TaskGroup() as sending:
            while True:
                try:
                    wait_s = LOOK_EVERY_S if self._draining else await self._look(sending)
                    if self.trouble:
                        _log_.info("notifying_resumed")
                        self.trouble = ""
                except Transient as error:
                    if not self.trouble:
                        _log_.warning("notifying_waits", error=str(error))
                    self.trouble = str(error)
                    wait_s = RETRY_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._woken.wait()
                self._woken.clear()

    async def drain(self, *, within_s: float) -> None:
        """Begin nothing more, and let what is on its way land: it would have to be repeated."""
        self._draining = True
        if self._flying:
            await asyncio.wait(self._flying, timeout=within_s)

    async def test(self, name: str) -> tuple[Outcome, float]:
        """Send a test message past everything that waits; return its outcome and how long it took, in s.

        Raises:
            NotFound: there is no such channel.
        """
        channel = self._notifications.channels.get(name)
        if channel is None:
            raise NotFound(f"no channel {name!r}", field="name")
        began_s = self._clock.monotonic_s()
        outcome = await self._sender.send(channel, trial(name, self._clock.now()))
        return outcome, self._clock.monotonic_s() - began_s

    async def _look(self, sending: asyncio.TaskGroup) -> float:
        """Send off what is due, and return for how long nothing else is, in seconds."""
        if not self._notifications.channels and self._declared:
            return LOOK_EVERY_S
        await self._keep_leases()
        await self._refresh_silences()
        if self._posts:
            for name, notices in (await self._deliveries.come(self.fences)).items():
                if name in self._posts:
                    self._posts[name].take(notices)
        if not self._told_others:
            self._told_others = True
            if len(self._posts) < len(self._notifications.channels):
                await self._tell_others()
        now, wall = self._steady_now(), self._clock.now()
        waits_s = [LOOK_EVERY_S]
        for post in list(self._posts.values()):
            for message in post.desk.due(now, lambda event: hidden(self._hides, event, wall)):
                flying = sending.create_task(self._deliver(post, message))
                self._flying.add(flying)
                flying.add_done_callback(self._flying.discard)
            await self._mark(post)
            if post.desk.next_at is not None:
                waits_s.append((post.desk.next_at - now).total_seconds())
        changes_at = next_end(self._hides, wall)
        if changes_at is not None:
            waits_s.append((changes_at - wall).total_seconds())
        return max(0.001, min(waits_s))

    def _steady_now(self) -> datetime:
        """Return the time as it would be had nobody set the clock since the start: waits must not stretch."""
        return self._began_at + timedelta(seconds=self._clock.monotonic_s() - self._began_s)

    async def _keep_leases(self) -> None:
        now_s = self._clock.monotonic_s()
        if not self._declared:
            channels = self._notifications.channels
            await self._deliveries.declare(
                {name: (one.target.kind, one.target.shown) for name, one in channels.items()}
            )
            await self._let_go(self._posts.keys() - channels.keys())
            for name, post in self._posts.items():
                post.channel = channels[name]
            self._declared = True
            self._renewed_s = float("-inf")
        if now_s - self._renewed_s < RENEW_EVERY_S:
            return
        kept = await self._deliveries.renew(self.fences) if self._posts else set()
        for name in self._posts.keys() - kept:
            del self._posts[name]
        missing = self._notifications.channels.keys() - self._posts.keys()
        for held in await self._deliveries.acquire(sorted(missing)) if missing else ():
            not_before = None if held.not_before is None else self._soon(held.not_before)
            desk = Desk(held.name, failures=held.failures, not_before=not_before)
            post = Post(self._notifications.channels[held.name], held.fence, desk)
            await self._restore(post)
            self._posts[held.name] = post
        self._renewed_s = now_s

    async def _restore(self, post: Post) -> None:
        desk = post.desk
        under_way = await self._deliveries.restore(desk)
        post.take((await self._deliveries.come({desk.channel: post.fence})).get(desk.channel, []))
        for message, tries, retry_at, sealed in under_way:
            desk.reopen(message, tries=tries, retry_at=self._soon(retry_at), sealed=sealed)

    def _soon(self, at: datetime) -> datetime:
        # written by a clock that was ahead, it would hold the channel back for as long
        return min(at, self._steady_now() + timedelta(seconds=RETRY_AFTER_MOST_S))

    async def _let_go(self, names: set[str]) -> None:
        if names:
            await self._deliveries.release({name: self._posts[name].fence for name in names})
            for name in names:
                del self._posts[name]

    async def _refresh_silences(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._stale_silences or now_s - self._silences_s >= SILENCES_EVERY_S:
            self._stale_silences = False
            self._hides = await self._silences.current()
            self._silences_s = now_s

    async def _mark(self, post: Post) -> None:
        """Have what was taken not come again, and what will never be said be gone."""
        if post.unmarked:
            await self._deliveries.mark(post.unmarked, post.fence)
            post.unmarked.clear()
        if post.desk.dropped:
            await self._deliveries.discard(post.desk.dropped)
            post.desk.dropped.clear()

    async def _deliver(self, post: Post, message: Message) -> None:
        """Try once, and store what it came to; a channel that was lost meanwhile is another's business."""
        desk = post.desk
        superseded = desk.superseded(message)
        desk.begins(message)
        try:
            await self._deliveries.begin(
                message,
                post.fence,
                tries=desk.attempt(message) - 1,
                superseded=superseded,
            )
            desk.began(message)
            if too_old(message.since, self._steady_now()):
                outcome = Outcome(Verdict.EXPIRED, detail="given up after 24 h")
            else:
                outcome = await self._sender.send(post.channel, message)
            at = self._clock.now()
            settled = desk.settle(message, outcome, self._steady_now(), dice=random.random())
            self._note(post, message, outcome)
            held = await until_done(
                lambda: self._deliveries.settle(
                    settled, post.fence, at, failures=desk.failures, not_before=desk.not_before
                ),
                most_s=2.0,
            )
            if not held:
                self._lose(post)
        except LeaseLost:
            self._lose(post)
        except Transient:
            await asyncio.sleep(RETRY_S)  # it did not leave
        finally:
            desk.landed(message)
            self._woken.set()

    def _lose(self, post: Post) -> None:
        if self._posts.get(post.channel.name) is post:
            del self._posts[post.channel.name]

    def _note(self, post: Post, message: Message, outcome: Outcome) -> None:
        name = post.channel.name
        post.error = outcome.detail
        series = f'atalaia.alerting.deliveries{{channel="{name}",outcome="{outcome.verdict}"}}'
        self._instruments.add(series)
        if outcome.verdict is not Verdict.DELIVERED:
            _log_.warning(
                "delivery_failed",
                channel=name,
                outcome=outcome.verdict.value,
                detail=outcome.detail,
                alerts=len(message.items),
                key=message.key,
            )
