"""Requests of people, by way of the gateway: request and reply on the broker."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime

from faststream.nats import NatsBroker, NatsMessage
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from atalaia.errors import Conflict, NotFound, Transient
from atalaia.events.matching import spelt
from atalaia.events.subjects import rpc_subject, token
from services.alerting.domain.alert import Change
from services.alerting.domain.judge import Judge, RuleState
from services.alerting.handlers.judging import Decide, Judging
from services.alerting.ports import Peers, Store

FORWARDED_WITHIN_S = 4.0


class AlertRequest(BaseModel, ABC):
    """What every request about an alert says."""

    alert_id: str = Field(min_length=1, max_length=64)
    by: str = Field("api", min_length=1, max_length=200)
    note: str | None = Field(None, max_length=2000)

    @abstractmethod
    def decide(self, judge: Judge, at: datetime) -> Change:
        """Have the judge do it."""


class ResolveRequest(AlertRequest):
    def decide(self, judge: Judge, at: datetime) -> Change:
        return judge.resolve(self.alert_id, self.by, at, self.note)


class AcknowledgeRequest(AlertRequest):
    until: AwareDatetime | None = None

    def decide(self, judge: Judge, at: datetime) -> Change:
        return judge.acknowledge(self.alert_id, self.by, self.until, at, self.note)


class UnacknowledgeRequest(AlertRequest):
    def decide(self, judge: Judge, at: datetime) -> Change:
        return judge.unacknowledge(self.alert_id, self.by, at, self.note)


VERBS: dict[str, type[AlertRequest]] = {
    "resolve": ResolveRequest,
    "acknowledge": AcknowledgeRequest,
    "unacknowledge": UnacknowledgeRequest,
}


class Requests:
    """Each request reaches one replica; the one that judges the alert does what it asks for."""

    def __init__(self, judging: Judging, store: Store, peers: Peers, instance: str) -> None:
        self._judging = judging
        self._store = store
        self._peers = peers
        self._instance = instance

    def register(self, broker: NatsBroker) -> None:
        """Answer on the broker: once for whoever asks alerting, once for its replicas among themselves."""
        for verb, model in VERBS.items():
            subject = rpc_subject("alerting", verb)
            broker.subscriber(subject, queue="alerting")(self._handler(verb, model, forwards=True))
            own = f"{subject}.{token(self._instance)}"
            broker.subscriber(own)(self._handler(verb, model, forwards=False))
        broker.subscriber(rpc_subject("alerting", "rules"))(self.rules)

    async def rules(self, message: NatsMessage) -> str:
        """Return what this replica knows of every rule; each replica answers."""
        states = [_described(state) for state in self._judging.rule_states()]
        return json.dumps({"ok": True, "instance": self._instance, "rules": states})

    def _handler(
        self, verb: str, model: type[AlertRequest], *, forwards: bool
    ) -> Callable[[NatsMessage], Awaitable[str]]:
        async def handle(message: NatsMessage) -> str:
            """Return `{"ok": true}`, or `{"error", "detail"}`."""
            try:
                request = model.model_validate_json(message.body)
                holder = await self._holder(request.alert_id)
                if holder == self._instance or not forwards:
                    await self._here(request.alert_id, request.decide)
                    return json.dumps({"ok": True})
                subject = f"{rpc_subject('alerting', verb)}.{token(holder)}"
                return await self._peers.ask(subject, message.body, within_s=FORWARDED_WITHIN_S)
            except ValidationError as error:
                return _refusal("invalid", str(error.errors(include_url=False)[0]["msg"]))
            except NotFound as error:
                return _refusal("not_found", str(error))
            except Conflict as error:
                return _refusal("conflict", str(error))
            except Transient as error:
                return _refusal("transient", str(error))

        return handle

    async def _holder(self, alert_id: str) -> str:
        """Return who judges a firing alert; say exactly why where nothing can be asked of it."""
        found = await self._store.whereabouts(alert_id)
        if found is None:
            raise NotFound(f"no alert {alert_id}", field="alert_id")
        if found.state != "firing":
            raise Conflict(f"alert {alert_id} is {found.state}, not firing", field="alert_id")
        if found.holder is None:
            raise Transient(f"nobody judges alert {alert_id} at the moment")
        return found.holder

    async def _here(self, alert_id: str, decide: Decide) -> None:
        try:
            await self._judging.ask(decide)
        except NotFound as error:
            await self._holder(alert_id)  # it may have ended meanwhile
            raise Conflict(str(error), field="alert_id") from error


def _described(state: RuleState) -> dict[str, object]:
    rule = state.rule
    return {
        "name": rule.name,
        "metric": rule.metric,
        "match": spelt(rule.match),
        "function": rule.function,
        "by": rule.by,
        "by_labels": list(rule.by_labels),
        "window_s": rule.window_s,
        "of": spelt(rule.of),
        "op": rule.op,
        "thresholds": {severity.value: threshold for severity, threshold in rule.thresholds},
        "clear": rule.clear,
        "for_s": rule.for_s,
        "keep_firing_s": rule.keep_firing_s,
        "labels": dict(rule.labels),
        "runbook_url": rule.runbook_url or None,
        "series": state.series,
        "pending": state.pending,
        "firing": state.firing,
        "judged_at": state.judged_at.isoformat() if state.judged_at else None,
    }


def _refusal(error: str, detail: str) -> str:
    return json.dumps({"error": error, "detail": detail})
