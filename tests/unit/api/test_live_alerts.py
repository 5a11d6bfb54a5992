"""Alerts of the live stream: events at once, the database soon after, and who of them is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from atalaia.errors import Transient
from atalaia.events.alerts import Transition
from atalaia.events.matching import Conditions
from services.api.domain.active import Known
from services.api.domain.board import Versions
from services.api.handlers.live.alerts import NOTHING_BESIDE, AlertsTopic, _recorded
from services.api.ports import AlertQuery, AlertRecord
from tests.unit.api.builders import T0, known


class Stored:
    """A database that tests write into. `asked` is awaited by whoever wants the answer late."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, AlertRecord]] = {}
        self.away = False
        self.before_answering: Callable[[], None] = lambda: None
        self.asked = asyncio.Event()

    def put(self, sequence: int, state: str = "firing", **fields: Any) -> None:
        said = known(sequence, state)
        self.rows[said.alert.alert_id] = (sequence, replace(_recorded(said.alert, NOTHING_BESIDE), **fields))

    async def current(self, known: Sequence[str], most: int) -> list[tuple[int, AlertRecord]]:
        if self.away:
            self.asked.set()
            raise Transient("postgres: away")
        answer = [
            row for alert_id, row in self.rows.items() if row[1].state != "resolved" or alert_id in known
        ]
        self.before_answering()
        self.asked.set()
        return answer

    async def page(self, query: AlertQuery) -> list[AlertRecord]:
        return [record for _, record in self.rows.values() if record.state == query.state]

    async def one(self, alert_id: str) -> tuple[AlertRecord, list[dict[str, Any]]] | None:
        raise NotImplementedError

    async def firing(self) -> list[Known]:
        raise NotImplementedError

    async def hidden_by(self, matchers: Conditions, limit: int) -> tuple[list[AlertRecord], int]:
        raise NotImplementedError


class Still:
    def now(self) -> datetime:
        return T0

    def monotonic_s(self) -> float:
        return 0.0


def topic(stored: Stored) -> AlertsTopic:
    return AlertsTopic(stored, Versions(), Still(), lambda name: None)


@asynccontextmanager
async def looking(alerts: AlertsTopic, stored: Stored) -> AsyncIterator[None]:
    """Have it look at the database once."""
    task = asyncio.create_task(alerts.run())
    async with asyncio.timeout(5):
        await stored.asked.wait()
    await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.wait({task})


async def states(alerts: AlertsTopic) -> dict[str, str]:
    return {one["alert_id"]: one["state"] for one in (await said(alerts))["alerts"]}


async def said(alerts: AlertsTopic, since: int | None = None) -> dict[str, Any]:
    found = await alerts.news(since, alerts.horizon())
    assert found is not None
    body: dict[str, Any] = json.loads(found.data or b"{}")
    return body


async def test_an_event_is_told_without_the_database() -> None:
    alerts = topic(Stored())
    alerts.hear(known(1))
    assert await states(alerts) == {"A": "firing"}


async def test_the_database_adds_what_no_event_says() -> None:
    stored = Stored()
    alerts = topic(stored)
    alerts.hear(known(1))
    before = alerts.horizon()
    stored.put(1, silenced=True)
    async with looking(alerts, stored):
        assert [one["silenced"] for one in (await said(alerts, before))["alerts"]] == [True]


async def test_an_answer_older_than_an_event_changes_nothing() -> None:
    stored = Stored()
    alerts = topic(stored)
    alerts.hear(known(1))
    stored.put(1)
    stored.before_answering = lambda: alerts.hear(known(2, "resolved"))
    async with looking(alerts, stored):
        assert await states(alerts) == {}


async def test_an_event_heard_late_changes_nothing() -> None:
    alerts = topic(Stored())
    alerts.hear(known(2, "resolved"))
    alerts.hear(known(1))
    assert await states(alerts) == {}


async def test_a_reader_who_comes_waits_for_no_pause_that_nobody_minded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.api.handlers.live.alerts.SETTLES_UNREAD_S", 3600.0)
    stored = Stored()
    alerts = topic(stored)
    async with looking(alerts, stored):
        stored.asked.clear()
        alerts.hear(known(1))
        await asyncio.sleep(0)
        alerts.attend(True)
        async with asyncio.timeout(5):
            await stored.asked.wait()


async def test_a_resolution_that_was_not_heard_is_told_all_the_same() -> None:
    stored = Stored()
    alerts = topic(stored)
    alerts.hear(known(1))
    before = alerts.horizon()
    stored.put(2, "resolved")
    async with looking(alerts, stored):
        assert [one["state"] for one in (await said(alerts, before))["alerts"]] == ["resolved"]


async def test_what_the_database_no_longer_knows_is_gone() -> None:
    stored = Stored()
    alerts = topic(stored)
    alerts.hear(known(1))
    before = alerts.horizon()
    async with looking(alerts, stored):
        assert (await said(alerts, before))["gone"] == ["A"]


async def test_without_the_database_it_says_that_more_may_be_missing() -> None:
    stored = Stored()
    stored.away = True
    alerts = topic(stored)
    alerts.hear(known(1))
    async with looking(alerts, stored):
        found = await said(alerts)
    assert (found["complete"], found["detail"], len(found["alerts"])) == (False, "postgres: away", 1)


def acknowledged(sequence: int, transition: Transition, by: str | None) -> Known:
    said = known(sequence).alert
    return Known(sequence, said.model_copy(update={"transition": transition, "acknowledged_by": by}))


async def test_what_no_event_says_stays_as_the_database_said_it_through_events_that_nobody_reads() -> None:
    stored = Stored()
    alerts = topic(stored)
    stored.put(1, silenced=True, acknowledged_by="ana", acknowledged_until=T0)
    async with looking(alerts, stored):
        alerts.hear(acknowledged(2, Transition.WENT_STALE, "ana"))
        alerts.hear(acknowledged(3, Transition.SEVERITY_CHANGED, "ana"))
        (found,) = (await said(alerts))["alerts"]
    kept = (found["silenced"], found["stale"], found["acknowledged_until"])
    assert kept == (True, True, "2026-11-24T12:00:00Z")


async def test_the_end_of_an_acknowledgement_is_not_that_of_the_next_one() -> None:
    stored = Stored()
    alerts = topic(stored)
    stored.put(1, acknowledged_by="ana", acknowledged_until=T0)
    async with looking(alerts, stored):
        alerts.hear(acknowledged(2, Transition.ACKNOWLEDGED, "ben"))
        alerts.hear(acknowledged(3, Transition.WENT_STALE, "ben"))
        (found,) = (await said(alerts))["alerts"]
    assert (found["acknowledged_by"], found["acknowledged_until"]) == ("ben", None)
