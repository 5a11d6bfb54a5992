"""What judging and notifying need of the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from atalaia.errors import Transient
from services.alerting.domain.alert import Alert, Change, Key
from services.alerting.domain.channels_file import Channel
from services.alerting.domain.delivery import Desk, Settlement
from services.alerting.domain.messages import Message, Notice
from services.alerting.domain.outcomes import Outcome
from services.alerting.domain.silences import Silence


class LeaseLost(Transient):
    """Another replica holds the partitions now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is judged: a sequence of the stream made at `stream_created`; 0: not at all."""

    stream_created: datetime | None
    sequence: int
    stored_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to judge a partition, under a fencing number that every write must show."""

    partition: int
    fence: int
    position: Position


@dataclass(frozen=True, slots=True)
class Census:
    """How many replicas are there, this one among them, and how many partitions nobody holds."""

    replicas: int
    vacant: int


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The state of a stored alert, and which replica judges it, if one does."""

    state: str
    holder: str | None


class Store(Protocol):
    async def census(self) -> Census:
        """Say that this replica is there, and return who else is."""

    async def acquire(self, most: int) -> list[Lease]:
        """Return leases on partitions that were this holder's, are free or have expired; perhaps none.

        What it held beyond `most` is handed back.
        """

    async def release(self, fences: Mapping[int, int]) -> None:
        """Hand partitions back that are still held; be counted no more until the next census."""

    async def load(self, partitions: Sequence[int]) -> list[Alert]:
        """Return the alerts that are pending or firing, and the resolved ones that still matter.

        These are the ones resolved by hand while bad, and those that bear the mark of flapping.
        """

    async def lately_fired(self, partitions: Sequence[int]) -> list[tuple[Key, datetime]]:
        """Return which series fired within about the last hour, and when; in order of time."""

    async def commit(
        self,
        fences: Mapping[int, int],
        position: Position,
        changes: Iterable[Change],
        *,
        judged: Mapping[int, int],
    ) -> None:
        """Write changes, their announcements and the position, all or nothing, and renew the leases.

        `judged` is where each partition stood when it was taken over: further than `position`,
        perhaps, and then it stays there.

        Raises:
            LeaseLost: a fence no longer holds.
        """

    async def whereabouts(self, alert_id: str) -> Whereabouts | None:
        """Return what is stored of an alert; None where there is none."""


class Peers(Protocol):
    async def ask(self, subject: str, body: bytes, *, within_s: float) -> str:
        """Return what another replica answers. Raises `Transient` where none does."""


class Letter(NamedTuple):
    """A message that nobody can process, and why."""

    subject: str
    body: bytes
    sequence: int
    reason: str


class DeadLetters(Protocol):
    async def bury(self, letters: Sequence[Letter]) -> None:
        """Keep what cannot be processed; saying it twice keeps it once. Raises `Transient`."""


@dataclass(frozen=True, slots=True)
class HeldChannel:
    """The right to send to a channel, under a fencing number; and how its breaker was left."""

    name: str
    fence: int
    failures: int
    not_before: datetime | None


class Deliveries(Protocol):
    """What waits for channels, what is under way, what came of it. All raise `Transient`."""

    async def declare(self, channels: Mapping[str, tuple[str, str]]) -> None: ...

    async def acquire(self, names: Iterable[str]) -> list[HeldChannel]: ...

    async def renew(self, fences: Mapping[str, int]) -> set[str]: ...

    async def release(self, fences: Mapping[str, int]) -> None: ...

    async def restore(self, desk: Desk) -> list[tuple[Message, int, datetime, bool]]: ...

    async def come(self, fences: Mapping[str, int]) -> dict[str, list[Notice]]: ...

    async def mark(self, notices: Iterable[int], fence: int) -> None: ...

    async def begin(self, message: Message, fence: int, *, tries: int, superseded: Sequence[str]) -> None: ...

    async def settle(
        self, settled: Settlement, fence: int, at: datetime, *, failures: int, not_before: datetime | None
    ) -> bool: ...

    async def discard(self, notices: Sequence[Notice]) -> None: ...


class Silences(Protocol):
    async def current(self) -> list[Silence]: ...

    async def create(self, silence: Silence) -> None: ...

    async def expire(self, silence_id: str, *, by: str, at: datetime) -> None:
        """Raise `NotFound`, or `Conflict` where it is over already."""


class Sender(Protocol):
    async def send(self, channel: Channel, message: Message) -> Outcome:
        """Try once, within the channel's timeout; failing is an outcome, not an error."""
