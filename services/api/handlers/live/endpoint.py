"""`GET /stream`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from atalaia.errors import Invalid
from services.api.domain.question import LETTERS, Place, Question, Sources, labels_of, topics_of
from services.api.handlers.live.hub import Hub
from services.api.handlers.models import LabelText, Text
from services.api.handlers.problems import described

_TOPIC = f"({'|'.join(LETTERS)})"
MEDIA_TYPE = "text/event-stream"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # a proxy that gathers makes it late
DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "events named after their topics: see docs/stream.md",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **described(503),
}


class StreamHandlers:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def register(self, router: APIRouter) -> None:
        router.get("/stream", response_class=Response, responses=DESCRIBED)(self.stream)

    async def stream(
        self,
        topics: Annotated[
            Text | None,
            Query(
                description=f"comma-separated: {', '.join(LETTERS)}; absent: all but `points`",
                json_schema_extra={"pattern": f"^{_TOPIC}(,{_TOPIC})*$"},
            ),
        ] = None,
        source: Annotated[Text | None, Query(description="`metrics` and `points` of this one")] = None,
        kind: Annotated[Text | None, Query(description="of this kind")] = None,
        group: Annotated[Text | None, Query(description="of this group")] = None,
        name: Annotated[Text | None, Query(description="`metrics`: series that begin so")] = None,
        metric: Annotated[list[Text] | None, Query(max_length=50, description="`points`: of these")] = None,
        label: Annotated[
            list[LabelText] | None,
            Query(max_length=20, description="`points`: of series with this key=value"),
        ] = None,
        as_: Annotated[Literal["rate", "raw", "buckets"], Query(alias="as")] = "rate",
        last_event_id: Annotated[Text | None, Query(description="where there can be no such header")] = None,
        last_event_id_header: Annotated[Text | None, Header(alias="Last-Event-ID")] = None,
    ) -> Response:
        """Server-sent events: for each topic a snapshot, then what changes; see docs/stream.md."""
        question = Question(
            topics_of(topics),
            Sources(source, kind, group),
            name,
            tuple(metric or ()),
            labels_of(label or []),
            as_,
        )
        if "points" in question.topics and not question.metrics:
            raise Invalid("the topic `points` needs at least one `metric`", field="metric")
        self._hub.admit()
        place = Place.read(last_event_id_header or last_event_id or "")
        return StreamingResponse(self._hub.read(question, place), media_type=MEDIA_TYPE, headers=HEADERS)
