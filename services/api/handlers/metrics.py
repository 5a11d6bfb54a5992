"""Metrics: the newest values, their history, performance, and sources that leave."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine, Hashable, Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, FiniteFloat
from pydantic_core import to_json
from starlette.responses import Response

from atalaia.clock import Clock
from atalaia.errors import NotFound
from services.api.domain.newest import Newest, Subject
from services.api.domain.openmetrics import CONTENT_TYPE, Accumulated, render
from services.api.domain.performance import summarise
from services.api.domain.question import Sources, labels_of
from services.api.handlers.models import (
    EndpointAnswer,
    HistoryAnswer,
    LabelText,
    MetricsAnswer,
    PerformanceAnswer,
    ServicePerformanceAnswer,
    SubjectsAnswer,
    Text,
)
from services.api.handlers.newest_values import NewestValues
from services.api.handlers.problems import described
from services.api.handlers.series import PointsAs, SeriesHistory, Wanted
from services.api.ports import Departures, Histories, LongRanges

APPLICATIONS = "app"
WINDOW_S = 300.0
_ONE_SOURCE = re.compile(rb"source=([A-Za-z0-9_.-]{1,128})(?:&kind=([A-Za-z0-9_.-]{1,128}))?")
Sums = Callable[[Subject], Iterator[tuple[str, Accumulated]]]
Summarise = Callable[[float, str | None, str], Coroutine[Any, Any, PerformanceAnswer]]


def _anew(summarise: Summarise) -> Summarise:
    return summarise


class MetricsHandlers:
    def __init__(
        self,
        newest: Newest,
        values: NewestValues,
        histories: Histories,
        departures: Departures,
        sums: Sums,
        clock: Clock,
        kept: Callable[[Summarise], Summarise] = _anew,
        ranges: LongRanges | None = None,
    ) -> None:
        """`kept` lets an answer be given again, for a while, to whoever asks the same of the same data."""
        self._newest = newest
        self._values = values
        self._histories = histories
        self._series = SeriesHistory(newest, histories, clock, ranges)
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
        group: Annotated[Text | None, Query(description="a service's name, of its instances")] = None,
        label: Annotated[
            list[LabelText] | None, Query(max_length=20, description="series with this key=value alone")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="points of each series")] = 1000,
        since: Annotated[
            FiniteFloat | AwareDatetime | None, Query(description="epoch seconds or ISO 8601 with an offset")
        ] = None,
        as_: Annotated[
            PointsAs,
            Query(
                alias="as",
                description="counters: a `rate` a second, or `raw` readings; histograms: `buckets`, "
                "a source's series in one, points [epoch_s, zero_count, offset, counts] to `base`",
            ),
        ] = "rate",
    ) -> Response:
        """The last points of each series of a metric, oldest first.

        `since` before what the stream still holds: the whole range from Prometheus, where that is configured
        and has more, in at most `limit` equal steps. The header `Atalaia-Source` says which it was.
        """
        since_s = since.timestamp() if isinstance(since, datetime) else since
        wanted = Wanted(
            metric_name,
            since_s=float("-inf") if since_s is None else since_s,
            limit=limit,
            points_as=as_,
            labels=labels_of(label or []),
        )
        answer, origin = await self._series.of(Sources(source, kind, group), wanted)
        return Response(
            to_json(answer, inf_nan_mode="null"),  # json.dumps writes a float in five times the time
            media_type="application/json",
            headers={"Atalaia-Source": origin},
        )

    async def performance(
        self,
        window_s: Annotated[float, Query(ge=1, le=604800, allow_inf_nan=False)] = WINDOW_S,
        service: Annotated[Text | None, Query(description="one service's alone")] = None,
    ) -> PerformanceAnswer:
        """Requests, rate, error rate and percentiles of every endpoint, over all instances."""
        state = self._state(service)
        summarise = self._summary if state else self.performance_of  # of nothing: nothing to keep
        return await summarise(window_s, service, state)

    async def for_the_stream(self) -> tuple[Hashable, bytes]:
        """Return (what tells the data apart, the last minutes' performance as JSON)."""
        state = self._state(None)
        answer = await self.performance(WINDOW_S)
        return state, answer.model_dump_json().encode()

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
        batches = [(subject, subject.batch()) for subject in self._values.fresh()]
        sums = ((batch, series, total) for subject, batch in batches for series, total in self._sums(subject))
        return Response(render((batch for _, batch in batches), sums), media_type=CONTENT_TYPE)

    def _newest_values(self, source: str | None, kind: str | None, name: str | None) -> Response:
        sources = self._values.together(self._values.present(source, kind), name)
        return Response(b'{"sources":%b}' % sources, media_type="application/json")

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
        found = summarise(sources, now_s=now_s, window_s=window_s)
        return PerformanceAnswer(
            window_s=window_s,
            covered_s=found.covered_s,
            endpoints=[EndpointAnswer.model_validate(one, from_attributes=True) for one in found.endpoints],
            services=[
                ServicePerformanceAnswer.model_validate(one, from_attributes=True) for one in found.services
            ],
        )

    def _state(self, service: str | None) -> str:
        digest = hashlib.blake2b(digest_size=8)
        found = [one for one in self._newest.subjects(kind=APPLICATIONS) if service in (None, one.group)]
        for subject in found:
            digest.update(f"{subject.name} {subject.at.timestamp()}\n".encode())
        return digest.hexdigest() if found else ""
