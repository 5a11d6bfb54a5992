"""The newest values of sources as JSON, each source's written once for each of its messages."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import to_json

from atalaia.events.instants import iso
from services.api.domain.newest import Newest, Subject


class NewestValues:
    def __init__(self, newest: Newest) -> None:
        self._newest = newest

    def present(self, source: str | None, kind: str | None) -> Iterator[Subject]:
        """Yield the sources that have not left, by kind, then source."""
        return (subject for subject in self._newest.subjects(source=source, kind=kind) if not subject.left)

    def fresh(self) -> list[Subject]:
        """Return those that are present and not stale."""
        return [subject for subject in self.present(None, None) if not self._newest.stale(subject)]

    def together(self, subjects: Iterator[Subject], name: str | None) -> bytes:
        """Return a JSON list."""
        return b"[" + b",".join(part for subject in subjects if (part := self.part(subject, name))) + b"]"

    def part(self, subject: Subject, name: str | None) -> bytes | None:
        """Return one source's JSON; None where no series of it begins with `name`."""
        stale = self._newest.stale(subject)
        if name is None and subject.answer is not None and subject.answer[0] == stale:
            return subject.answer[1]
        batch = subject.batch()
        gauges, counters = batch.gauges, batch.counters
        if name is not None:
            gauges = {series: value for series, value in gauges.items() if series.startswith(name)}
            counters = {series: value for series, value in counters.items() if series.startswith(name)}
            if not gauges and not counters:
                return None
        part = to_json(
            {
                "source": batch.source,
                "kind": batch.kind,
                "group": batch.group,
                "at": iso(batch.at),
                "stale": stale,
                "gauges": gauges,
                "counters": counters,
            }
        )
        if name is None:
            subject.answer = (stale, part)
        return part
