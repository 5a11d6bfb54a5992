"""Channels: how they are, and a test of each. Silences: list, create, preview, expire."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from atalaia.clock import Clock
from atalaia.errors import Invalid, NotFound
from atalaia.events.matching import conditions, match_everything
from services.api.handlers.models import (
    AlertAnswer,
    AlertCursor,
    AlertId,
    ChannelAnswer,
    ChannelsAnswer,
    ChannelTestAnswer,
    ExpireBody,
    PreviewAnswer,
    PreviewBody,
    SilenceAnswer,
    SilenceBody,
    SilencesAnswer,
    Text,
)
from services.api.handlers.problems import described
from services.api.ports import (
    AlertReader,
    ChannelRecord,
    NewSilence,
    NotificationReader,
    NotificationRequests,
    SilenceQuery,
)

AWAY_AFTER_FAILURES = 5
PREVIEWED_AT_MOST = 100


class NotificationHandlers:
    def __init__(
        self, reader: NotificationReader, alerts: AlertReader, requests: NotificationRequests, clock: Clock
    ) -> None:
        self._reader = reader
        self._alerts = alerts
        self._requests = requests
        self._clock = clock

    def register(self, router: APIRouter) -> None:
        router.get("/channels", response_model=ChannelsAnswer, responses=described(503))(self.channels)
        router.post(
            "/channels/{name}/test", response_model=ChannelTestAnswer, responses=described(403, 404, 413, 503)
        )(self.test)
        router.get("/silences", response_model=SilencesAnswer, responses=described(503))(self.silences)
        router.post(
            "/silences",
            response_model=SilenceAnswer,
            status_code=201,
            responses=described(403, 413, 503),
        )(self.create)
        router.post("/silences/preview", response_model=PreviewAnswer, responses=described(403, 413, 503))(
            self.preview
        )
        router.post(
            "/silences/{silence_id}/expire",
            response_model=SilenceAnswer,
            responses=described(403, 404, 409, 413, 503),
        )(self.expire)

    async def channels(self) -> ChannelsAnswer:
        """Every channel: where it goes to (no secrets), how it is, what waits for it."""
        return ChannelsAnswer(channels=[_channel(record) for record in await self._reader.channels()])

    async def test(self, name: Annotated[Text, Path()]) -> ChannelTestAnswer:
        """Send a test message now, and answer with what it came to."""
        return ChannelTestAnswer.model_validate(await self._requests.test_channel(name))

    async def silences(
        self,
        state: Annotated[Literal["pending", "active", "expired"] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[AlertCursor | None, Query(description="`next_cursor` of the page before")] = None,
    ) -> SilencesAnswer:
        """Silences, newest first; all of them unless told otherwise."""
        records = await self._reader.silences(SilenceQuery(state, limit + 1, cursor))
        page = records[:limit]
        return SilencesAnswer(
            silences=[SilenceAnswer.model_validate(record) for record in page],
            next_cursor=page[-1].id if len(records) > limit else None,
        )

    async def create(self, body: SilenceBody) -> SilenceAnswer:
        """Hold back the messages of what matches. What matches every alert is refused, unless told."""
        if (body.ends_at is None) == (body.duration_s is None):
            raise Invalid("say `ends_at` or `duration_s`, one of them", field="ends_at")
        ends_at = body.ends_at
        if ends_at is None:
            try:
                ends_at = (body.starts_at or self._clock.now()) + timedelta(seconds=body.duration_s or 0)
            except OverflowError:
                raise Invalid("is too far away", field="starts_at") from None
        silence_id = await self._requests.create_silence(
            NewSilence(body.matchers, body.starts_at, ends_at, body.by, body.comment, body.everything)
        )
        return await self._one(silence_id)

    async def preview(self, body: PreviewBody) -> PreviewAnswer:
        """What such a silence would hide of what fires now; it changes nothing."""
        try:
            matchers = conditions(body.matchers)
        except Invalid as error:
            raise Invalid(f"{error.field}: {error}", field="matchers") from error
        alerts, count = await self._alerts.hidden_by(matchers, PREVIEWED_AT_MOST)
        return PreviewAnswer(
            count=count,
            everything=match_everything(matchers),
            alerts=[AlertAnswer.of(record) for record in alerts],
        )

    async def expire(
        self, silence_id: Annotated[AlertId, Path()], body: ExpireBody | None = None
    ) -> SilenceAnswer:
        """End a silence now; what still fires is announced."""
        await self._requests.expire_silence(silence_id, by=(body or ExpireBody()).by)
        return await self._one(silence_id)

    async def _one(self, silence_id: str) -> SilenceAnswer:
        found = await self._reader.silence(silence_id)
        if found is None:
            raise NotFound(f"no silence {silence_id!r}", field="silence_id")
        return SilenceAnswer.model_validate(found)


def _channel(record: ChannelRecord) -> ChannelAnswer:
    state = "up"
    if record.failures:
        state = "away" if record.failures >= AWAY_AFTER_FAILURES else "failing"
    return ChannelAnswer(
        name=record.name,
        kind=record.kind,
        target=record.target,
        state=state,
        failures=record.failures,
        waiting=record.waiting,
        oldest_waiting_at=record.oldest_waiting_at,
        not_before=record.not_before,
        last_success_at=record.last_success_at,
        last_failure_at=record.last_failure_at,
        last_error=record.last_error,
    )
