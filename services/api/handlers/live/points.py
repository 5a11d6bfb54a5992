"""New points of some metrics' series, as they come."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from pydantic_core import to_json

from atalaia.clock import Clock
from atalaia.errors import Invalid, Transient
from services.api.domain.history import Kind, SubjectHistory
from services.api.domain.newest import Newest, Subject
from services.api.domain.points import kind_of
from services.api.domain.question import Question
from services.api.domain.tails import Tails
from services.api.handlers.live.topics import NOTHING, Said, Topic
from services.api.handlers.series import MOST_POINTS, PointsAs, Wanted, answer, candidates, has, points_in
from services.api.ports import FollowedStream, Histories

MOST_SOURCES = 200
NOTHING_YET = b'{"snapshot":true,"metrics":[]}'
_Followed = list[tuple[Subject, SubjectHistory]]


class Following:
    """What following series needs: one for all readers."""

    def __init__(
        self, newest: Newest, histories: Histories, tails: Tails, stream: FollowedStream, clock: Clock
    ) -> None:
        self.newest = newest
        self.stream = stream
        self._histories = histories
        self._tails = tails
        self._clock = clock

    def is_followed(self, subject: Subject) -> bool:
        return subject.name in self._tails

    async def of(self, subject: Subject, since: int) -> SubjectHistory:
        """Return a history with everything since then: the tail, or all there is. Raises `Transient`."""
        tail = self._tails.follow(subject, self._clock.monotonic_s())
        if subject.sequence <= since or (tail.sequences and tail.sequences[0] <= since):
            return tail
        return await self._histories.of(subject.name)

    def forget(self) -> None:
        self._tails.forget(self._clock.monotonic_s())


class PointsTopic(Topic):
    """How far a reader has come is a sequence of the stream: it holds for every gateway."""

    name = "points"

    def __init__(self, following: Following, question: Question, again: Callable[[str], None]) -> None:
        self._following = following
        self._sources = question.sources
        self._wanted = [
            Wanted(metric, points_as=cast(PointsAs, question.points_as), labels=question.labels)
            for metric in question.metrics
        ]
        self._again = again

    def horizon(self) -> int:
        return self._following.stream.sequence

    async def news(self, since: int | None, until: int) -> Said | None:
        stream = self._following.stream
        if not stream.loaded.is_set():
            return None
        if since is None or since > stream.sequence:
            return Said(NOTHING_YET, stream.sequence)
        try:
            followed = [(one, await self._following.of(one, since)) for one in self._chosen()]
        except Transient:
            self._again(self.name)
            return None
        reached = max(since, until)
        metrics, points = await self._between(followed, since, reached)
        if points > MOST_POINTS:
            return Said(NOTHING_YET, reached)
        if not points:
            return Said(NOTHING, reached)
        return Said(b'{"snapshot":false,"metrics":%b}' % to_json(metrics, inf_nan_mode="null"), reached)

    def _chosen(self) -> list[Subject]:
        """Return those that have one of the metrics, or lately had; of a source by name all."""
        found = candidates(self._following.newest, self._sources)
        if self._sources.source is None:
            found = [one for one in found if self._following.is_followed(one) or self._has_any(one)]
        return found[:MOST_SOURCES]

    def _has_any(self, subject: Subject) -> bool:
        return any(has(subject, wanted.metric) for wanted in self._wanted)

    async def _between(self, followed: _Followed, since: int, until: int) -> tuple[list[dict[str, Any]], int]:
        """Return (metrics, how many points) of what came after one sequence and until another."""
        bounds = [(history.after(since), history.until(until)) for _, history in followed]
        found: list[dict[str, Any]] = []
        count = 0
        for wanted in self._wanted:
            series: dict[Kind, list[dict[str, Any]]] = {}
            for (subject, history), (since_s, until_s) in zip(followed, bounds, strict=True):
                kind = kind_of(history, wanted.metric)
                if kind is None or since_s == math.inf:
                    continue
                for labels, points in await _points(history, kind, replace(wanted, since_s=since_s)):
                    own = [point for point in points if cast(float, point[0]) <= until_s]
                    count += len(own)
                    if own:
                        series.setdefault(kind, []).append(
                            {"source": subject.source, "kind": subject.kind, "labels": labels, "points": own}
                        )
            found += [answer(wanted.metric, kind, some, wanted.points_as) for kind, some in series.items()]
        return found, count


async def _points(history: SubjectHistory, kind: Kind, wanted: Wanted) -> list[tuple[dict[str, str], Any]]:
    try:
        return list(await points_in(history, kind, wanted))
    except Invalid:  # buckets, of what is no histogram
        return []
