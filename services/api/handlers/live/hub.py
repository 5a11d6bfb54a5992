"""Everything that is live: the topics that all share, and a view for each question that somebody asks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable

from atalaia.errors import Refused, Transient
from services.api.domain.active import Known
from services.api.domain.newest import Subject
from services.api.domain.question import Place, Question, Sources
from services.api.handlers.live.alerts import AlertsTopic
from services.api.handlers.live.loadtests import LoadTestsTopic
from services.api.handlers.live.metrics import Fleet, MetricsTopic
from services.api.handlers.live.points import Following, PointsTopic
from services.api.handlers.live.topics import AT_ONCE, Signal, Topic, Whole
from services.api.handlers.live.views import View
from services.api.handlers.newest_values import NewestValues
from services.api.ports import FollowedStream

TICK_S = 0.25
LOOK_EVERY_S = 1.0
AT_ONCE_AGAIN_S = 0.1  # between two rounds of what leaves at once
READERS_A_TICK = 1000  # a reader costs some 50 µs a round: with so many, a round a second
READERS_A_ROUND = 4000
RETRY_AFTER_S = 5.0


class Hub:
    """Owns the views. Each is turned when one of its topics has changed: see `View`."""

    def __init__(
        self,
        *,
        stream: FollowedStream,
        fleet: Fleet,
        values: NewestValues,
        following: Following,
        alerts: AlertsTopic,
        loadtests: LoadTestsTopic,
        wholes: Iterable[Whole],
        signal: Signal,
        most_readers: int,
    ) -> None:
        self._gateway = secrets.token_hex(4)
        self._stream = stream
        self._fleet = fleet
        self._values = values
        self._following = following
        self._alerts = alerts
        self._loadtests = loadtests
        self._wholes = {whole.name: whole for whole in wholes}
        self._signal = signal
        self._most_readers = most_readers
        self._views: dict[Question, View] = {}
        self._readers = 0
        self._closed = False

    def hear(self, known: Known) -> None:
        """Take a transition of an alert, at once."""
        self._alerts.hear(known)

    def close(self) -> None:
        """End every stream, now and from now on."""
        self._closed = True
        for view in self._views.values():
            view.close()

    def admit(self) -> None:
        """Raise `Refused` where there are too many readers, `Transient` where there will be none."""
        if self._closed:
            raise Transient("stopping")
        if self._readers >= self._most_readers:
            raise Refused(f"{self._readers} live streams are open here", retry_in_s=RETRY_AFTER_S)

    async def read(self, question: Question, came_with: Place | None) -> AsyncIterator[bytes]:
        """Yield pieces of events until the reader leaves or the gateway stops."""
        if self._closed:
            return
        view = self._views.get(question)
        if view is None:
            view = self._views[question] = View(
                question, self._topics(question), self._gateway, lambda: self._stream.stream
            )
        view.readers += 1
        self._readers += 1
        self._alerts.attend(self._is_read(AT_ONCE))
        try:
            async for piece in view.read(came_with):
                yield piece
        finally:
            view.readers -= 1
            self._readers -= 1
            if not view.readers and self._views.get(question) is view:
                del self._views[question]
            self._alerts.attend(self._is_read(AT_ONCE))

    async def run(self) -> None:
        """Turn views, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._alerts.run())
            group.create_task(self._at_once())
            group.create_task(self._begin())
            group.create_task(self._look())
            while True:
                self._round()
                await asyncio.sleep(max(TICK_S, self._readers / READERS_A_TICK))

    async def _begin(self) -> None:
        await self._stream.loaded.wait()
        self._fleet.begin()
        self._signal.raise_(MetricsTopic.name)
        self._signal.raise_(PointsTopic.name)

    async def _at_once(self) -> None:
        while True:
            await self._signal.urgent.wait()
            self._signal.take_urgent()
            for view in self._views.values():
                if AT_ONCE in view.question.topics:
                    view.turn()
            await asyncio.sleep(max(AT_ONCE_AGAIN_S, self._readers / READERS_A_ROUND))

    async def _look(self) -> None:
        """Look at what nobody tells of."""
        while True:
            for name, whole in self._wholes.items():
                if self._is_read(name):
                    await whole.refresh()
            if self._is_read(MetricsTopic.name):
                self._fleet.look()
            self._following.forget()
            await asyncio.sleep(LOOK_EVERY_S)

    def _round(self) -> None:
        touched = _Touched(self._fleet.touched())
        if self._loadtests.touched():
            self._signal.raise_(LoadTestsTopic.name)
        changed = self._signal.take()
        for question, view in self._views.items():
            of_sources = {MetricsTopic.name, PointsTopic.name}.intersection(question.topics)
            if changed.intersection(question.topics) or (of_sources and touched.any_of(question.sources)):
                view.turn()

    def _is_read(self, topic: str) -> bool:
        return any(topic in question.topics for question in self._views)

    def _topics(self, question: Question) -> dict[str, Topic]:
        topics: dict[str, Topic] = {}
        for name in question.topics:
            match name:
                case "alerts":
                    topics[name] = self._alerts
                case "metrics":
                    topics[name] = MetricsTopic(self._fleet, self._values, question.sources, question.name)
                case "points":
                    topics[name] = PointsTopic(self._following, question, self._signal.raise_)
                case "loadtests":
                    topics[name] = self._loadtests
                case _:
                    topics[name] = self._wholes[name]
        return topics


class _Touched:
    """Sources with news. Says "some of those" more often than it is so, never too seldom."""

    def __init__(self, subjects: list[Subject]) -> None:
        self._any = bool(subjects)
        self._sources = {one.source for one in subjects}
        self._kinds = {one.kind for one in subjects}
        self._groups = {one.group for one in subjects}

    def any_of(self, asked: Sources) -> bool:
        return (
            self._any
            and (asked.source is None or asked.source in self._sources)
            and (asked.kind is None or asked.kind in self._kinds)
            and (asked.group is None or asked.group in self._groups)
        )
