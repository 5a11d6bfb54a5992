"""The newest message of every subject, as bytes, parsed when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, FiniteFloat, ValidationError

from atalaia.errors import Invalid
from atalaia.events.metrics import MetricsBatch, check_series, check_subject, read_batch
from atalaia.events.order import Order, Verdict
from atalaia.events.subjects import token

AHEAD_MOST = timedelta(seconds=10)
SILENT_AT_LEAST_S = 60.0
SILENT_INTERVALS = 5
FORGOTTEN_AFTER = timedelta(hours=24)


class _Head(BaseModel):
    """What must be known of each message as it arrives; the rest is read when asked for."""

    source: str
    kind: str
    group: str = ""
    at: AwareDatetime
    interval_s: FiniteFloat
    final: bool = False


@dataclass(slots=True)
class Subject:
    """One (kind, source). `heard_after_s` is in listening seconds, `stored_at` the broker's time."""

    name: str
    kind: str
    source: str
    group: str
    at: datetime
    stored_at: datetime
    heard_after_s: float
    silent_after_s: float
    left: bool
    body: bytes
    order: Order = field(default_factory=Order)
    fallback: bytes | None = None
    parsed: MetricsBatch | None = None


def read_valid(body: bytes, subject: str) -> MetricsBatch:
    """Return the batch of a message that alerting would accept; raises `Invalid` otherwise."""
    batch = read_batch(body)
    check_subject(batch, subject)
    check_series(batch)
    return batch


class Newest:
    """Mutable, one owner. Listening seconds pass only while the stream is heard: see `listened`."""

    def __init__(self) -> None:
        self._subjects: dict[str, Subject] = {}
        self._by_source: dict[tuple[str, str], str] = {}
        self._listened_s = 0.0
        self.late = 0
        self.invalid = 0

    def listened(self, seconds: float) -> None:
        """Count time in which a message would have been heard."""
        self._listened_s += seconds

    def take(self, subject: str, body: bytes, stored_at: datetime, *, age_s: float = 0.0) -> Verdict | None:
        """Take a message in; None when it is not a valid one.

        `age_s` is how long ago the broker took it; more than 0 when catching up.
        """
        head = _read_head(body, subject, stored_at)
        if head is None:
            self.invalid += 1
            return None
        known = self._subjects.get(subject)
        order = known.order if known else Order()
        verdict = order.place(head.at)
        if verdict is Verdict.LATE:
            self.late += 1
            return verdict
        self._subjects[subject] = Subject(
            name=subject,
            kind=head.kind,
            source=head.source,
            group=head.group or head.source,
            at=head.at,
            stored_at=stored_at,
            heard_after_s=self._listened_s - age_s,
            silent_after_s=max(SILENT_INTERVALS * head.interval_s, SILENT_AT_LEAST_S),
            left=head.final,
            body=body,
            order=order,
            fallback=known.body if known else None,
        )
        return verdict

    def batch(self, subject: Subject) -> MetricsBatch | None:
        """Return the subject's newest message; the one before where that one is not valid after all."""
        while subject.parsed is None:
            try:
                subject.parsed = read_valid(subject.body, subject.name)
            except Invalid:
                self.invalid += 1
                if subject.fallback is None:
                    del self._subjects[subject.name]
                    return None
                subject.body, subject.fallback = subject.fallback, None
            else:
                subject.at = subject.order.newest_at = subject.parsed.at
                subject.left = subject.parsed.final
        return subject.parsed

    def stale(self, subject: Subject) -> bool:
        return self._listened_s - subject.heard_after_s > subject.silent_after_s

    def forget(self, now: datetime, keep: frozenset[tuple[str, str]]) -> None:
        """Drop sources silent for a day, but not those in `keep`: (kind, source) with a firing alert."""
        for name, subject in list(self._subjects.items()):
            if now - subject.stored_at > FORGOTTEN_AFTER and (subject.kind, subject.source) not in keep:
                del self._subjects[name]

    def subjects(self, *, source: str | None = None, kind: str | None = None) -> Iterator[Subject]:
        """Yield the subjects by kind, then source; those that left, too."""
        chosen = (
            subject
            for subject in self._subjects.values()
            if (source is None or subject.source == source) and (kind is None or subject.kind == kind)
        )
        return iter(sorted(chosen, key=lambda subject: (subject.kind, subject.source)))

    def get(self, name: str) -> Subject | None:
        return self._subjects.get(name)

    def __len__(self) -> int:
        return len(self._subjects)


def _read_head(body: bytes, subject: str, stored_at: datetime) -> _Head | None:
    try:
        head = _Head.model_validate_json(body)
    except ValidationError:
        return None
    if head.at > stored_at + AHEAD_MOST:
        return None
    group = head.group or head.source
    named = [token(head.kind), token(group), token(head.source)]
    return head if subject.split(".")[2:5] == named else None
