"""Requests about silences and channels, by way of the gateway: request and reply on the broker."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime

from faststream.nats import NatsBroker, NatsMessage
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from atalaia.clock import Clock
from atalaia.errors import Conflict, Invalid, NotFound, Transient
from atalaia.events.subjects import rpc_subject
from services.alerting.domain.silences import Silence, checked_matchers, checked_times
from services.alerting.handlers.notifying import Notifier
from services.alerting.ports import Silences

Answer = dict[str, object]


class CreateSilence(BaseModel):
    matchers: dict[str, str | dict[str, str]] = Field(max_length=50)
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime
    by: str = Field("api", min_length=1, max_length=200)
    comment: str = Field("", max_length=2000)
    everything: bool = False


class ExpireSilence(BaseModel):
    silence_id: str = Field(min_length=1, max_length=64)
    by: str = Field("api", min_length=1, max_length=200)


class TestChannel(BaseModel):
    name: str = Field(min_length=1, max_length=64)


class DeliveryRequests:
    def __init__(
        self,
        notifier: Notifier,
        silences: Silences,
        clock: Clock,
        new_id: Callable[[datetime], str],
        tell_all: Callable[[], Awaitable[None]],
    ) -> None:
        self._notifier = notifier
        self._silences = silences
        self._clock = clock
        self._new_id = new_id
        self._tell_all = tell_all

    def register(self, broker: NatsBroker) -> None:
        """Answer on the broker; one replica of several takes each request."""
        for verb, method in (
            ("create_silence", self.create_silence),
            ("expire_silence", self.expire_silence),
            ("test_channel", self.test_channel),
        ):
            broker.subscriber(rpc_subject("alerting", verb), queue="alerting")(method)

    async def create_silence(self, message: NatsMessage) -> str:
        """Return `{"ok": true, "silence_id"}`, or `{"error", "detail", "field"}`."""

        async def create() -> Answer:
            request = CreateSilence.model_validate_json(message.body)
            now = self._clock.now()
            matchers = checked_matchers(request.matchers, everything=request.everything)
            starts_at, ends_at = checked_times(request.starts_at, request.ends_at, now)
            silence_id = self._new_id(now)
            await self._silences.create(
                Silence(silence_id, matchers, starts_at, ends_at, request.by, request.comment)
            )
            await self._changed()
            return {"silence_id": silence_id}

        return await _answered(create)

    async def expire_silence(self, message: NatsMessage) -> str:
        """Return `{"ok": true}`, or `{"error", "detail", "field"}`."""

        async def expire() -> Answer:
            request = ExpireSilence.model_validate_json(message.body)
            await self._silences.expire(request.silence_id, by=request.by, at=self._clock.now())
            await self._changed()
            return {}

        return await _answered(expire)

    async def test_channel(self, message: NatsMessage) -> str:
        """Return `{"ok": true, "outcome", "http_status", "detail", "latency_s"}`, or an error."""

        async def test() -> Answer:
            request = TestChannel.model_validate_json(message.body)
            outcome, latency_s = await self._notifier.test(request.name)
            return {
                "outcome": outcome.verdict.value,
                "http_status": outcome.http_status,
                "detail": outcome.detail,
                "latency_s": round(latency_s, 6),
            }

        return await _answered(test)

    async def _changed(self) -> None:
        self._notifier.hear()
        await self._tell_all()


async def _answered(call: Callable[[], Awaitable[Answer]]) -> str:
    try:
        return json.dumps({"ok": True, **await call()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return _refusal("invalid", first["msg"], field)
    except NotFound as error:
        return _refusal("not_found", str(error), error.field)
    except Conflict as error:
        return _refusal("conflict", str(error), error.field)
    except Invalid as error:
        return _refusal("invalid", str(error), error.field)
    except Transient as error:
        return _refusal("transient", str(error))


def _refusal(error: str, detail: str, field: str = "") -> str:
    return json.dumps({"error": error, "detail": detail, "field": field})
