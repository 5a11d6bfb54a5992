"""Requests of people, by way of the gateway: request and reply on the broker."""

from __future__ import annotations

import json

from faststream.nats import NatsBroker, NatsMessage
from pydantic import BaseModel, Field, ValidationError

from atalaia.errors import Conflict, NotFound, Transient
from atalaia.events.subjects import rpc_subject
from services.alerting.handlers.judging import Judging, resolve
from services.alerting.ports import Store


class ResolveRequest(BaseModel):
    alert_id: str = Field(min_length=1, max_length=64)
    by: str = Field("api", min_length=1, max_length=200)
    note: str | None = Field(None, max_length=2000)


class Requests:
    def __init__(self, judging: Judging, store: Store) -> None:
        self._judging = judging
        self._store = store

    def register(self, broker: NatsBroker) -> None:
        """Answer on the broker; one replica of several takes each request."""
        broker.subscriber(rpc_subject("alerting", "resolve"), queue="alerting")(self.resolve)

    async def resolve(self, message: NatsMessage) -> str:
        """Return `{"ok": true}`, or `{"error", "detail"}`."""
        try:
            request = ResolveRequest.model_validate_json(message.body)
            await resolve(self._judging, self._store, request.alert_id, request.by, request.note)
        except ValidationError as error:
            return _refusal("invalid", str(error.errors(include_url=False)[0]["msg"]))
        except NotFound as error:
            return _refusal("not_found", str(error))
        except Conflict as error:
            return _refusal("conflict", str(error))
        except Transient as error:
            return _refusal("transient", str(error))
        return json.dumps({"ok": True})


def _refusal(error: str, detail: str) -> str:
    return json.dumps({"error": error, "detail": detail})
