"""Rules: what is judged, and how each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from services.api.domain.registry import Instance
from services.api.handlers.models import RuleAnswer, RulesAnswer, Text
from services.api.handlers.problems import described
from services.api.ports import RuleReader, RuleRecord


class RuleHandlers:
    def __init__(self, reader: RuleReader, instances: Callable[[], Sequence[Instance]]) -> None:
        self._reader = reader
        self._instances = instances

    def register(self, router: APIRouter) -> None:
        router.get("/rules", response_model=RulesAnswer, responses=described(503))(self.page)

    async def page(
        self,
        state: Annotated[Literal["quiet", "pending", "firing"] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[Text | None, Query(description="`next_cursor` of the page before")] = None,
    ) -> RulesAnswer:
        """Rules by name, with how many series each judges and what of them is pending or fires."""
        present = [one for one in self._instances() if one.said.service == "alerting" and one.status == "up"]
        rules = await self._reader.rules(max(1, len(present)))
        after = [rule for rule in rules if cursor is None or rule.name > cursor]
        answers = [_answer(rule) for rule in after]
        chosen = [answer for answer in answers if state in (None, answer.state)]
        return RulesAnswer(
            rules=chosen[:limit], next_cursor=chosen[limit - 1].name if len(chosen) > limit else None
        )


def _answer(rule: RuleRecord) -> RuleAnswer:
    state = "firing" if rule.firing else "pending" if rule.pending else "quiet"
    return RuleAnswer.model_validate({**asdict(rule), "state": state})
