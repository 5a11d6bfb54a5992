"""Metrics: the newest values, their history, performance, and sources that leave."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, FiniteFloat
from pydantic_core import to_json
from starlette.responses import Response

from atalaia.clock import Clock
from atalaia.errors import Invalid, NotFound
from atalaia.events.instants import iso
from atalaia.events.series import parse
from services.api.domain.newest import Newest, Subject
from services.api.domain.openmetrics import CONTENT_TYPE, Accumulated, render
from services.api.domain.performance import endpoints
from services.api.domain.points import Kind, kind_of, series_of
from services.api.domain.units import unit_of
from services.api.handlers.models import (
    EndpointAnswer,
    HistoryAnswer,
    MetricsAnswer,
    PerformanceAnswer,
    SubjectsAnswer,
    Text,
)
from services.api.handlers.problems import described
from services.api.ports import Departures, Histories

MOST_POINTS = 100_000
SEARCHED_SUBJECTS = 20
APPLICATIONS = "app"
_ONE_SOURCE = re.compile(rb"source=([A-Za-z0-9_.-]{1,128})(?:&kind=([A-Za-z0-9_.-]{1,128}))?")
Sums = Callable[[Subject], Iterator[tuple[str, Accumulated]]]
Summarise = Callable[[float, str | None, str], Coroutine[Any, Any, PerformanceAnswer]]


def _anew(summarise: Summarise) -> Summarise:
    return summarise


class MetricsHandlers:
    def __init__(
        self,
        newest: Newest,
        histories: Histories,
        departures: Departures,
        sums: Sums,
        clock: Clock,
        kept: Callable[[Summarise], Summarise] = _anew,
    ) -> None:
        """`kept` lets an answer be given again, for a while, to whoever asks the same of the same data."""
        self._newest = newest
        self._histories = histories
        self._departures = departures
        self._sums = sums
        self._clock = clock
        self._summary = kept(self.performance_of)

    def register(self, router: APIRouter) -> None:
        router.get("/metrics", response_model=MetricsAnswer)(self.metrics)
        router.get(
            "/metrics/{metric_name:path}", response_model=HistoryAnswer, responses=described(404, 503)
        )(self.history)
        router.get("/performance", response_model=PerformanceAnswer, responses=described(503))(
            self.performance
        )
        router.delete(
            "/sources/{source:path}",
            status_code=202,
            response_model=SubjectsAnswer,
            responses=described(403, 404, 413, 503),
        )(self.leave)

    async def metrics(
        self,
        source: Annotated[Text | None, Query(description="one source's alone")] = None,
        kind: Annotated[Text | None, Query(description="`host`, `app` or another")] = None,
        name: Annotated[Text | None, Query(description="series that begin so")] = None,
    ) -> Response:
        """The newest value of every series, by kind and source."""
        return self._newest_values(source, kind, name)

    def of_one_source(self, query: bytes) -> Response | None:
        """Return the answer of `/metrics` to the plainest of questions, None where it is another."""
        plain = _ONE_SOURCE.fullmatch(query)
        if plain is None:
            return None
        source, kind = plain.groups()
        return self._newest_values(source.decode(), kind.decode() if kind else None, None)

    async def history(
        self,
        metric_name: Annotated[Text, Path(description="a metric's name, without labels")],
        source: Annotated[Text | None, Query()] = None,
        kind: Annotated[Text | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="points of each series")] = 1000,
        since: Annotated[
            FiniteFloat | AwareDatetime | None, Query(description="epoch seconds or ISO 8601 with an offset")
        ] = None,
        as_: Annotated[
            Literal["rate", "raw"], Query(alias="as", description="counters: a rate a second, or readings")
        ] = "rate",
    ) -> Response:
        """The last points of each series of a metric, oldest first."""
        candidates = self._newest.subjects(source=source, kind=kind)
        if source is not None and not candidates:
            raise NotFound(f"no source {source!r} was ever seen", field="source")
        since_s = since.timestamp() if isinstance(since, datetime) else since
        answer = await self._collect(
            metric_name,
            self._holding(candidates, metric_name),
            since_s=float("-inf") if since_s is None else since_s,
            limit=limit,
            raw=as_ == "raw",
        )
        # json.dumps writes a float in five times the time
        return Response(to_json(answer, inf_nan_mode="null"), media_type="application/json")

    async def performance(
        self,
        window_s: Annotated[float, Query(ge=1, le=604800, allow_inf_nan=False)] = 300.0,
        service: Annotated[Text | None, Query(description="one service's alone")] = None,
    ) -> PerformanceAnswer:
        """Requests, rate, error rate and percentiles of every endpoint, over all instances."""
        state = self._state(service)
        summarise = self._summary if state else self.performance_of  # of nothing: nothing to keep
        return await summarise(window_s, service, state)

    async def leave(
        self,
        source: Annotated[Text, Path(description="the source that has left")],
        kind: Annotated[Text | None, Query()] = None,
    ) -> SubjectsAnswer:
        """Say that a source has left: its alerts resolve, it is no longer listed, its history stays."""
        subjects = self._newest.subjects(source=source, kind=kind)
        if not subjects:
            raise NotFound(f"no source {source!r} was ever seen", field="source")
        for subject in subjects:
            await self._departures.publish_final(
                kind=subject.kind,
                group=subject.group,
                source=subject.source,
                after=subject.at,
                interval_s=subject.silent_after_s / 5,
            )
        return SubjectsAnswer(subjects=len(subjects))

    async def openmetrics(self) -> Response:
        """Everything that is not stale, for Prometheus."""
        fresh = [subject for subject in self._present(None, None) if not self._newest.stale(subject)]
        batches = [(subject, subject.batch()) for subject in fresh]
        sums = ((batch, series, total) for subject, batch in batches for series, total in self._sums(subject))
        return Response(render((batch for _, batch in batches), sums), media_type=CONTENT_TYPE)

    def _newest_values(self, source: str | None, kind: str | None, name: str | None) -> Response:
        parts = [part for subject in self._present(source, kind) if (part := self._part(subject, name))]
        return Response(b'{"sources":[' + b",".join(parts) + b"]}", media_type="application/json")

    async def performance_of(self, window_s: float, service: str | None, state: str) -> PerformanceAnswer:
        """Merge every interval in the window: milliseconds for a few instances, a second for an hour of them.

        `state` tells data apart, so that an answer is never given again once a newer message has come.
        """
        now_s = self._clock.now().timestamp()
        sources = [
            (subject.group, await self._histories.of(subject.name))
            for subject in self._newest.subjects(kind=APPLICATIONS)
            if service is None or subject.group == service
            if subject.at.timestamp() >= now_s - window_s
        ]
        covered_s, found = endpoints(sources, now_s=now_s, window_s=window_s)
        return PerformanceAnswer(
            window_s=window_s,
            covered_s=covered_s,
            endpoints=[EndpointAnswer.model_validate(one, from_attributes=True) for one in found],
        )

    def _state(self, service: str | None) -> str:
        digest = hashlib.blake2b(digest_size=8)
        found = [one for one in self._newest.subjects(kind=APPLICATIONS) if service in (None, one.group)]
        for subject in found:
            digest.update(f"{subject.name} {subject.at.timestamp()}\n".encode())
        return digest.hexdigest() if found else ""

    def _present(self, source: str | None, kind: str | None) -> Iterator[Subject]:
        return (subject for subject in self._newest.subjects(source=source, kind=kind) if not subject.left)

    def _part(self, subject: Subject, name: str | None) -> bytes | None:
        """Return one source's JSON, prepared once for each of its messages."""
        stale = self._newest.stale(subject)
        if name is None and subject.answer is not None and subject.answer[0] == stale:
            return subject.answer[1]
        batch = subject.batch()
        gauges, counters = dict(batch.gauges), dict(batch.counters)
        if name is not None:
            gauges = {series: value for series, value in gauges.items() if series.startswith(name)}
            counters = {series: value for series, value in counters.items() if series.startswith(name)}
            if not gauges and not counters:
                return None
        part = json.dumps(
            {
                "source": batch.source,
                "kind": batch.kind,
                "group": batch.group,
                "at": iso(batch.at),
                "stale": stale,
                "gauges": gauges,
                "counters": counters,
            }
        ).encode()
        if name is None:
            subject.answer = (stale, part)
        return part

    def _holding(self, candidates: list[Subject], metric: str) -> list[Subject]:
        """Return those that have the metric now; if none, a few that may have had it."""
        holding = [subject for subject in candidates if self._has(subject, metric)]
        return holding or candidates[:SEARCHED_SUBJECTS]

    def _has(self, subject: Subject, metric: str) -> bool:
        if metric.encode() not in subject.body and b"\\u" not in subject.body:
            return False  # without reading it: there may be thousands
        batch = subject.batch()
        names: tuple[Iterable[str], ...] = (batch.gauges, batch.counters, batch.histograms)
        return any(parse(series)[0] == metric for columns in names for series in columns)

    async def _collect(
        self, metric: str, subjects: list[Subject], *, since_s: float, limit: int, raw: bool
    ) -> dict[str, object]:
        found: list[dict[str, object]] = []
        kind: Kind | None = None
        points = 0
        for subject in subjects:
            history = await self._histories.of(subject.name)
            here = kind_of(history, metric)
            kind = kind or here
            if here is None or here != kind:
                continue
            for labels, some in series_of(history, metric, here, since_s=since_s, limit=limit, raw=raw):
                points += len(some)
                if points > MOST_POINTS:
                    detail = f"over {MOST_POINTS} points; ask for one `source`, a later `since` or a `limit`"
                    raise Invalid(detail, field="source")
                found.append(
                    {"source": subject.source, "kind": subject.kind, "labels": labels, "points": some}
                )
        if kind is None:
            raise NotFound(f"no metric {metric!r} was ever seen", field="metric_name")
        return {"metric": metric, "unit": unit_of(metric), "type": kind, "series": found}
