"""The newest message of every subject, as bytes, parsed again when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from atalaia.errors import Invalid
from atalaia.events.decoding import decoded
from atalaia.events.metrics import Measurements, check_series, check_subject
from atalaia.events.order import Order, Verdict

AHEAD_MOST = timedelta(seconds=10)
SILENT_AT_LEAST_S = 60.0
SILENT_INTERVALS = 5
FORGOTTEN_AFTER = timedelta(hours=24)
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Subject:
    """One (kind, source). `heard_after_s` is in listening seconds, `stored_at` the broker's time.

    For others to set: `sequence`, the message's in its stream; `answer`, (stale, JSON) of this very
    message.
    """

    name: str
    kind: str
    group: str
    source: str
    order: Order
    at: datetime = NEVER
    stored_at: datetime = NEVER
    heard_after_s: float = 0.0
    silent_after_s: float = 0.0
    left: bool = False
    body: bytes = b""
    sequence: int = 0
    answer: tuple[bool, bytes] | None = None

    @property
    def names(self) -> tuple[str, str, str]:
        """Return (kind, group, source)."""
        return self.kind, self.group, self.source

    def batch(self) -> Measurements:
        """Return the message. Parsed each time: most are never asked for, and bytes take the least room."""
        return decoded(self.body)


def read_valid(body: bytes, subject: str, stored_at: datetime) -> Measurements:
    """Return the batch of a message that alerting would accept; raises `Invalid` otherwise."""
    batch = decoded(body)
    check_subject(batch, subject)
    _check_rest(batch, stored_at)
    return batch


class Newest:
    """Mutable, one owner. Listening seconds pass only while the stream is heard: see `listened`."""

    def __init__(self) -> None:
        self._subjects: dict[str, Subject] = {}
        self._by_source: dict[str, dict[str, Subject]] = {}
        self._by_kind: dict[str, dict[str, Subject]] = {}
        self._listened_s = 0.0
        self.late = 0
        self.invalid = 0

    def listened(self, seconds: float) -> None:
        """Count time in which a message would have been heard."""
        self._listened_s += seconds

    def take(
        self, subject: str, body: bytes, stored_at: datetime, *, age_s: float = 0.0
    ) -> Measurements | None:
        """Take a message in; return it when it is its subject's newest from now on.

        `age_s` is how long ago the broker took it; more than 0 when catching up.
        """
        known = self._subjects.get(subject)
        try:
            batch = decoded(body)
            renamed = known is None or (batch.kind, batch.group, batch.source) != known.names
            if renamed:  # what is spelt as it was before belongs to the subject as it did before
                check_subject(batch, subject)
            _check_rest(batch, stored_at)
        except Invalid:
            self.invalid += 1
            return None
        order = known.order if known else Order()
        if order.place(batch.at) is Verdict.LATE:
            self.late += 1
            return None
        if known is None or renamed:
            known = self._replace(known, subject, batch, order)
        known.at = batch.at
        known.stored_at = stored_at
        known.heard_after_s = self._listened_s - age_s
        known.silent_after_s = max(SILENT_INTERVALS * batch.interval_s, SILENT_AT_LEAST_S)
        known.left = batch.final
        known.body = body
        known.answer = None
        return batch

    def stale(self, subject: Subject) -> bool:
        return self._listened_s - subject.heard_after_s > subject.silent_after_s

    def forget(self, now: datetime, keep: frozenset[tuple[str, str]]) -> None:
        """Drop sources silent for a day, but not those in `keep`: (kind, source) with a firing alert."""
        for subject in list(self._subjects.values()):
            if now - subject.stored_at > FORGOTTEN_AFTER and (subject.kind, subject.source) not in keep:
                self._drop(subject)

    def subjects(self, *, source: str | None = None, kind: str | None = None) -> list[Subject]:
        """Return the subjects by kind, then source; those that left, too."""
        return sorted(self._chosen(source, kind), key=lambda subject: (subject.kind, subject.source))

    def get(self, name: str) -> Subject | None:
        return self._subjects.get(name)

    def __len__(self) -> int:
        return len(self._subjects)

    def _chosen(self, source: str | None, kind: str | None) -> Iterator[Subject]:
        if source is None:
            yield from (self._subjects if kind is None else self._by_kind.get(kind, {})).values()
            return
        for subject in self._by_source.get(source, {}).values():
            if kind is None or subject.kind == kind:
                yield subject

    def _replace(self, known: Subject | None, name: str, batch: Measurements, order: Order) -> Subject:
        if known is not None:
            self._drop(known)
        subject = Subject(name, batch.kind, batch.group, batch.source, order)
        self._subjects[name] = subject
        self._by_source.setdefault(subject.source, {})[name] = subject
        self._by_kind.setdefault(subject.kind, {})[name] = subject
        return subject

    def _drop(self, subject: Subject) -> None:
        del self._subjects[subject.name]
        for index, key in ((self._by_source, subject.source), (self._by_kind, subject.kind)):
            del index[key][subject.name]
            if not index[key]:
                del index[key]


def _check_rest(batch: Measurements, stored_at: datetime) -> None:
    check_series(batch)
    if batch.at > stored_at + AHEAD_MOST:
        raise Invalid(f"measured {batch.at - stored_at} after it was stored", field="at")
