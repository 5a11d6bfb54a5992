"""Partitions that change hands, and a replay that is interrupted."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from atalaia.broker.pull import Stored
from atalaia.errors import Transient
from atalaia.events.subjects import PARTITIONS
from services.alerting.adapters.stream import in_turn
from services.alerting.domain.rules_file import load_rules
from tests.system.storm.books import BAD, QUIET, rules
from tests.unit.alerting.builders import HIGH_CPU, Court, cpu
from tests.unit.alerting.fakes import Fate, ListedStream, MemoryAlertStore, judge_all

T0 = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
RULES = load_rules(rules(extra=False), file="storm.yaml")


def message(sequence: int, value: float, partition: int) -> Stored:
    at = T0 + timedelta(seconds=sequence)
    source = f"web-{partition}"
    body = {"source": source, "kind": "storm", "at": at.isoformat(), "interval_s": 1.0}
    text = json.dumps(body | {"gauges": {"storm.value": value}})
    subject = f"atalaia.metrics.storm.{source}.{source}.{partition}"
    return Stored(subject, text.encode(), sequence, at, 0)


def test_a_partition_taken_over_beside_one_that_is_behind_does_not_fall_back() -> None:
    messages = [message(1, BAD, 7), message(2, QUIET, 7), message(3, BAD, 8), message(4, QUIET, 8)]
    stream = ListedStream(messages, at_once=1)
    store = MemoryAlertStore([7, 8])

    async def take_over() -> None:
        store.leased = [7]
        await judge_all(store, stream, RULES)
        store.leased = [7, 8]
        store.fates = [Fate.DIES_AFTER]
        await judge_all(store, stream, RULES)

    asyncio.run(take_over())
    assert [(one.alert.key.source, str(one.transition)) for one in store.told] == [
        ("web-7", "fired"),
        ("web-7", "resolved"),
        ("web-8", "fired"),
        ("web-8", "resolved"),
    ]


def test_what_is_for_others_is_passed_and_not_judged() -> None:
    messages = [message(1, BAD, 7), message(2, BAD, 8), message(3, BAD, 8)]
    store = MemoryAlertStore([7])
    asyncio.run(judge_all(store, ListedStream(messages, at_once=1), RULES, up_to=3))
    assert {one.alert.key.source for one in store.told} == {"web-7"}
    assert store.positions[7].sequence == 3


def test_a_message_without_a_partition_is_judged_by_whoever_holds_all() -> None:
    lone = message(1, BAD, 7)._replace(subject="atalaia.metrics.storm.web-7.web-7")
    for held, sources in ((range(PARTITIONS), {"web-7"}), (range(1, PARTITIONS), set())):
        store = MemoryAlertStore(held)
        asyncio.run(judge_all(store, ListedStream([lone], at_once=1), RULES, up_to=1))
        assert {one.alert.key.source for one in store.told} == sources


def test_a_restart_within_a_long_hold_does_not_begin_it_anew() -> None:
    court = Court(HIGH_CPU)  # holds for a minute
    court.hear(*(cpu(seconds, 0.85, interval_s=1) for seconds in range(0, 50, 10)))
    court.restart()
    # more than a minute after the first, less after the last: what began then has been held
    assert court.hear(cpu(95, 0.85, interval_s=1)) == ["fired warning"]


class Trickle:
    """A reader that is handed things at each of its turns; nothing, where the broker is slow."""

    def __init__(self, *turns: list[Stored]) -> None:
        self._turns = list(turns)

    @property
    def caught_up(self) -> bool:
        return not self._turns

    async def more(self, within_s: float) -> list[Stored]:
        return self._turns.pop(0) if self._turns else []


async def all_up_to(reader: Trickle, up_to: int, patience: int = 10) -> list[Stored]:
    return [stored async for arrived in in_turn(reader, up_to, patience=patience) for stored in arrived]


async def test_a_slow_broker_does_not_cut_a_replay_short() -> None:
    one, two = message(1, BAD, 7), message(2, BAD, 7)
    assert await all_up_to(Trickle([one], [], [two]), up_to=2) == [one, two]


async def test_a_replay_that_stands_still_is_not_taken_for_whole() -> None:
    with pytest.raises(Transient):
        await all_up_to(Trickle([message(1, BAD, 7)], *([[]] * 20)), up_to=2, patience=3)
