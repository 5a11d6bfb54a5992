"""Alerts: lists, one with its timeline, and resolving by hand."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from atalaia.errors import NotFound
from atalaia.events.alerts import Severity
from services.api.handlers.models import (
    AcknowledgeBody,
    AlertAnswer,
    AlertCursor,
    AlertId,
    AlertsAnswer,
    AlertWithTimeline,
    Moment,
    PersonBody,
    Text,
    moment_of,
)
from services.api.handlers.problems import described
from services.api.ports import AlertQuery, AlertReader, AlertRequests


class AlertHandlers:
    def __init__(self, reader: AlertReader, requests: AlertRequests) -> None:
        self._reader = reader
        self._requests = requests

    def register(self, router: APIRouter) -> None:
        router.get("/alerts", response_model=AlertsAnswer, responses=described(503))(self.page)
        router.get("/alerts/{alert_id}", response_model=AlertWithTimeline, responses=described(404, 503))(
            self.one
        )
        for verb in (self.resolve, self.acknowledge, self.unacknowledge):
            router.post(
                f"/alerts/{{alert_id}}/{verb.__name__}",
                response_model=AlertAnswer,
                responses=described(403, 404, 409, 413, 503),
            )(verb)

    async def page(
        self,
        state: Annotated[Literal["pending", "firing", "resolved", "all"], Query()] = "firing",
        severity: Annotated[Severity | None, Query()] = None,
        rule: Annotated[Text | None, Query()] = None,
        source: Annotated[Text | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[AlertCursor | None, Query(description="`next_cursor` of the page before")] = None,
        since: Annotated[Moment | None, Query(description="not those resolved before")] = None,
        until: Annotated[Moment | None, Query(description="not those that began later")] = None,
    ) -> AlertsAnswer:
        """Alerts, newest first; those that fire unless told otherwise."""
        query = AlertQuery(
            state=None if state == "all" else state,
            severity=severity,
            rule=rule,
            source=source,
            limit=limit + 1,
            before=cursor,
            since=moment_of(since, "since"),
            until=moment_of(until, "until"),
        )
        records = await self._reader.page(query)
        page = records[:limit]
        more = len(records) > limit
        return AlertsAnswer(
            alerts=[AlertAnswer.of(record) for record in page],
            next_cursor=page[-1].alert_id if more else None,
        )

    async def one(self, alert_id: Annotated[AlertId, Path()]) -> AlertWithTimeline:
        """One alert with everything that happened to it, oldest first."""
        found = await self._reader.one(alert_id)
        if found is None:
            raise NotFound(f"no alert {alert_id!r}", field="alert_id")
        record, timeline = found
        return AlertWithTimeline.model_validate({**AlertAnswer.of(record).model_dump(), "timeline": timeline})

    async def resolve(
        self, alert_id: Annotated[AlertId, Path()], body: PersonBody | None = None
    ) -> AlertAnswer:
        """Resolve a firing alert by hand; a value that stays bad fires again only at a higher severity."""
        said = body or PersonBody()
        await self._requests.resolve(alert_id, by=said.by, note=said.note)
        return await self._changed(alert_id)

    async def acknowledge(
        self, alert_id: Annotated[AlertId, Path()], body: AcknowledgeBody | None = None
    ) -> AlertAnswer:
        """Say that somebody takes care of a firing alert, until a moment or until it gets worse."""
        said = body or AcknowledgeBody()
        await self._requests.acknowledge(alert_id, by=said.by, note=said.note, until=said.until)
        return await self._changed(alert_id)

    async def unacknowledge(
        self, alert_id: Annotated[AlertId, Path()], body: PersonBody | None = None
    ) -> AlertAnswer:
        """Undo an acknowledgement."""
        said = body or PersonBody()
        await self._requests.unacknowledge(alert_id, by=said.by, note=said.note)
        return await self._changed(alert_id)

    async def _changed(self, alert_id: str) -> AlertAnswer:
        found = await self._reader.one(alert_id)
        if found is None:
            raise NotFound(f"no alert {alert_id!r}", field="alert_id")
        return AlertAnswer.of(found[0])
