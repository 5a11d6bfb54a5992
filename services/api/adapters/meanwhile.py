"""What the platform measured in the minutes of a load test."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from services.api.adapters.histories import StreamHistories
from services.api.domain.history import SubjectHistory
from services.api.domain.newest import Newest, Subject
from services.api.domain.points import kind_of, series_of

METRICS = {
    "host": ("system.cpu.utilization", "system.memory.utilization"),
    "app": ("http.server.request.duration",),
}
AROUND_S = 30.0  # a host's measurement covers the time before it
MOST_SUBJECTS = 50
MOST_SERIES = 100
MOST_POINTS = 1000


class Meanwhile:
    """Hosts and applications, the first fifty of them; histories are loaded where they are not at hand."""

    def __init__(self, newest: Newest, histories: StreamHistories) -> None:
        self._newest = newest
        self._histories = histories

    async def between(self, began_s: float, ended_s: float | None) -> list[dict[str, Any]]:
        """Return series with their points; until now where a run goes on. Raises `Transient`."""
        watched = [subject for kind in METRICS for subject in self._newest.subjects(kind=kind)]
        until_s = math.inf if ended_s is None else ended_s + AROUND_S
        found: list[dict[str, Any]] = []
        for subject in watched[:MOST_SUBJECTS]:
            history = await self._histories.of(subject.name)
            found += _series(subject, history, began_s - AROUND_S, until_s)
        return list(islice(found, MOST_SERIES))


def _series(
    subject: Subject, history: SubjectHistory, since_s: float, until_s: float
) -> Iterator[dict[str, Any]]:
    for metric in METRICS[subject.kind]:
        kind = kind_of(history, metric)
        if kind is None:
            continue
        for labels, points in series_of(history, metric, kind, since_s=since_s, limit=MOST_POINTS, raw=False):
            within = [point for point in points if (point[0] or 0) <= until_s]
            if within:
                yield {
                    "source": subject.source,
                    "kind": subject.kind,
                    "metric": metric,
                    "type": kind,
                    "labels": labels,
                    "points": within,
                }
