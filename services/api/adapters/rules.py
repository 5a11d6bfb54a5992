"""Rules, as the replicas of alerting know them: each answers for what it judges."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import BaseModel, ValidationError

from atalaia.errors import Transient
from atalaia.events.subjects import rpc_subject
from services.api.ports import RuleRecord

ANSWER_WITHIN_S = 1.0


class _Answer(BaseModel):
    rules: list[RuleRecord]


class ReplicatedRules:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def rules(self, replicas: int) -> list[RuleRecord]:
        if not self._client.is_connected:
            raise Transient("the broker is away: alerting cannot be asked")
        answers = await self._answers(replicas)
        if not answers:
            raise Transient("no instance of alerting is there to ask")
        merged: dict[str, RuleRecord] = {}
        for answer in answers:
            for rule in answer:
                known = merged.get(rule.name)
                merged[rule.name] = _added(known, rule) if known else rule
        return sorted(merged.values(), key=lambda rule: rule.name)

    async def _answers(self, replicas: int) -> list[list[RuleRecord]]:
        """Return what comes until so many have answered, or time is up."""
        inbox, complete = self._client.new_inbox(), asyncio.Event()
        answers: list[list[RuleRecord]] = []

        async def hear(message: Msg) -> None:
            try:
                answers.append(_Answer.model_validate_json(message.data).rules)
            except ValidationError:
                return
            if len(answers) >= replicas:
                complete.set()

        try:
            subscription = await self._client.subscribe(inbox, cb=hear)
            try:
                await self._client.publish(rpc_subject("alerting", "rules"), b"{}", reply=inbox)
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await complete.wait()
            finally:
                await subscription.unsubscribe()
        except TimeoutError:
            pass
        except (nats.errors.Error, OSError) as error:
            raise Transient(f"asking alerting: {error!r}") from error
        return answers


def _added(one: RuleRecord, other: RuleRecord) -> RuleRecord:
    moments = [at for at in (one.judged_at, other.judged_at) if at is not None]
    return replace(
        one,
        series=one.series + other.series,
        pending=one.pending + other.pending,
        firing=one.firing + other.firing,
        judged_at=max(moments, default=None),
    )
