"""Killed, or cut off from its store, anywhere, whatever its sources do: it tells what the books say, once."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.broker.pull import Stored
from services.alerting.domain.rules_file import load_rules
from services.alerting.handlers import writing
from tests.system.storm.books import BAD, QUIET, WORSE, Sample, books_of, rules
from tests.unit.alerting.fakes import Fate, ListedStream, MemoryAlertStore, judge_all

T0 = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
RULES = load_rules(rules(extra=False), file="storm.yaml")
PARTITION = 7

# by how much a source's clock is wrong, for how many messages
spells = st.lists(
    st.tuples(st.sampled_from((0.0, 0.0, 0.0, 60.0, -60.0, 86_400.0, -86_400.0)), st.integers(1, 9)),
    min_size=1,
    max_size=8,
)
values = st.lists(st.sampled_from((QUIET, BAD, WORSE)), min_size=72, max_size=72)
repeats = st.lists(st.tuples(st.integers(0, 71), st.integers(1, 5)), max_size=12)
fates = st.lists(st.sampled_from((Fate.DONE, Fate.DONE, *Fate)), max_size=20)


def stream_of(
    spells: list[tuple[float, int]], values: list[float], repeats: list[tuple[int, int]]
) -> list[Sample]:
    """Return one message a second by a clock that is right or wrong, some of them again a little later."""
    samples: list[Sample] = []
    errors = [error_s for error_s, length in spells for _ in range(length)]
    for second, (error_s, value) in enumerate(zip(errors, values, strict=False)):
        stored_at = T0 + timedelta(seconds=second)
        samples.append(Sample("web-1", stored_at + timedelta(seconds=error_s), stored_at, value))
        for where, back in repeats:
            if where == second and back <= len(samples):
                again = samples[-back]
                samples.append(Sample("web-1", again.at, stored_at, again.value))
    return samples


def stored(sequence: int, sample: Sample) -> Stored:
    body = {"source": sample.source, "kind": "storm", "at": sample.at.isoformat(), "interval_s": 1.0}
    text = json.dumps(body | {"gauges": {"storm.value": sample.value}})
    subject = f"atalaia.metrics.storm.web-1.web-1.{PARTITION}"
    return Stored(subject, text.encode(), sequence, sample.stored_at, 0)


def told_by(samples: list[Sample], fates: list[Fate], at_once: int) -> list[tuple[str, str, str, datetime]]:
    async def judge() -> MemoryAlertStore:
        store = MemoryAlertStore([PARTITION])
        store.fates = list(fates)
        messages = [stored(sequence, sample) for sequence, sample in enumerate(samples, 1)]
        await judge_all(store, ListedStream(messages, at_once), RULES)
        return store

    store = asyncio.run(judge())
    return sorted(
        (one.alert.key.rule, str(one.transition), str(one.alert.severity), one.at) for one in store.told
    )


@given(spells, values, repeats, fates, st.integers(1, 8))
def test_killed_anywhere_it_tells_what_the_books_say_once(
    spells: list[tuple[float, int]],
    values: list[float],
    repeats: list[tuple[int, int]],
    fates: list[Fate],
    at_once: int,
) -> None:
    samples = stream_of(spells, values, repeats)
    expected = books_of(samples).expected
    assert told_by(samples, fates, at_once) == sorted(
        (one.rule, one.transition, one.severity, one.at) for one in expected
    )


def test_more_than_may_wait_for_the_store_is_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "WAITING_AT_MOST", 3)
    samples = [
        Sample("web-1", T0 + timedelta(seconds=n), T0 + timedelta(seconds=n), QUIET if n % 2 else WORSE)
        for n in range(40)
    ]
    fates = [Fate.DONE, *[Fate.FAILS_BEFORE] * 60]
    assert told_by(samples, fates, 1) == sorted(
        (one.rule, one.transition, one.severity, one.at) for one in books_of(samples).expected
    )
