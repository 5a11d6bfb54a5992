"""What the gateway asks of others over the broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import nats.errors
from nats.aio.client import Client
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from atalaia import broker
from atalaia.clock import Clock
from atalaia.errors import Conflict, Invalid, NotFound, Transient
from atalaia.events.headers import headers
from atalaia.events.metrics import MetricsBatch
from atalaia.events.subjects import metrics_subject, rpc_subject
from services.api.ports import NewSilence, TestOutcome

ANSWER_WITHIN_S = 5.0
TEST_WITHIN_S = 65.0  # a channel has up to a minute


class _Reply(BaseModel):
    model_config = ConfigDict(extra="allow")

    ok: bool = False
    error: str = ""
    detail: str = ""
    field: str = ""


class AlertingRequests:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def resolve(self, alert_id: str, *, by: str, note: str | None) -> None:
        await self._ask("resolve", {"alert_id": alert_id, "by": by, "note": note})

    async def acknowledge(self, alert_id: str, *, by: str, note: str | None, until: datetime | None) -> None:
        moment = until.isoformat() if until else None
        await self._ask("acknowledge", {"alert_id": alert_id, "by": by, "note": note, "until": moment})

    async def unacknowledge(self, alert_id: str, *, by: str, note: str | None) -> None:
        await self._ask("unacknowledge", {"alert_id": alert_id, "by": by, "note": note})

    async def create_silence(self, silence: NewSilence) -> str:
        reply = await self._ask(
            "create_silence",
            {
                "matchers": dict(silence.matchers),
                "starts_at": silence.starts_at.isoformat() if silence.starts_at else None,
                "ends_at": silence.ends_at.isoformat(),
                "by": silence.by,
                "comment": silence.comment,
                "everything": silence.everything,
            },
        )
        return str(reply.model_dump().get("silence_id", ""))

    async def expire_silence(self, silence_id: str, *, by: str) -> None:
        await self._ask("expire_silence", {"silence_id": silence_id, "by": by})

    async def test_channel(self, name: str) -> TestOutcome:
        reply = await self._ask("test_channel", {"name": name}, within_s=TEST_WITHIN_S)
        try:
            return TypeAdapter(TestOutcome).validate_python(
                {**reply.model_dump(exclude={"ok", "error", "field"})}
            )
        except ValidationError as error:
            raise Transient("alerting's answer could not be read") from error

    async def _ask(
        self, verb: str, request: dict[str, object], *, within_s: float = ANSWER_WITHIN_S
    ) -> _Reply:
        if not self._client.is_connected:
            raise Transient("the broker is away: alerting cannot be asked")
        subject = rpc_subject("alerting", verb)
        try:
            answer = await self._client.request(subject, json.dumps(request).encode(), timeout=within_s)
            reply = _Reply.model_validate_json(answer.data)
        except nats.errors.NoRespondersError as error:
            raise Transient("no instance of alerting is there to ask") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Transient(f"alerting did not answer: {error!r}") from error
        except ValidationError as error:
            raise Transient("alerting's answer could not be read") from error
        if not reply.ok:
            raise _error(reply)
        return reply


def _error(reply: _Reply) -> Exception:
    match reply.error:
        case "not_found":
            return NotFound(reply.detail, field=reply.field or "alert_id")
        case "conflict":
            return Conflict(reply.detail, field=reply.field or "alert_id")
        case "invalid":
            return Invalid(reply.detail, field=reply.field)
        case _:
            return Transient(reply.detail)


class StreamDepartures:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def publish_final(
        self, *, kind: str, group: str, source: str, after: datetime, interval_s: float
    ) -> None:
        at = max(self._clock.now(), after.astimezone(UTC) + timedelta(microseconds=1))
        batch = MetricsBatch(source=source, kind=kind, group=group, at=at, interval_s=interval_s, final=True)
        about = headers(message_id=batch.message_id, type="metrics", source=source, at=at)
        await broker.publish(
            self._client.jetstream(), metrics_subject(kind, group, source), batch.body(), headers=about
        )
