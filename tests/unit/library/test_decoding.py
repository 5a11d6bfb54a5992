"""The quick decoder says of every message what the event's model says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atalaia.errors import Invalid
from atalaia.events.decoding import Plain, decoded
from atalaia.events.metrics import Measurements, read_batch
from atalaia.stats import Dense

MICROSECOND = timedelta(microseconds=1)
FIELDS = (
    "source",
    "kind",
    "group",
    "at",
    "interval_s",
    "gauges",
    "counters",
    "start",
    "histograms",
    "final",
)
FIELDS_OF_A_HISTOGRAM = ("count", "sum", "min", "max", "scale", "zero_count", "offset", "counts")
HISTOGRAM = {
    "count": 3,
    "sum": 1.5,
    "min": 0.1,
    "max": 1.0,
    "scale": 4,
    "zero_count": 1,
    "offset": -30,
    "counts": [1, 1],
}
PLAIN: dict[str, Any] = {
    "source": "shop-1",
    "kind": "app",
    "group": "shop",
    "at": "2026-11-26T03:26:05.123456Z",
    "interval_s": 10,
    "resource": {"host.name": "a"},
    "gauges": {"queue.size": 3, "load": 0.25},
    "counters": {"requests": 1e6},
    "start": "2026-11-26T01:00:00+01:00",
    "histograms": {"duration": HISTOGRAM},
    "seq": 7,
    "final": False,
}
amounts = st.one_of(st.integers(-1, 9), st.integers(2**62, 2**70))
words = st.text(max_size=4)
values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    words,
    st.dictionaries(
        words, st.one_of(st.floats(), st.integers(), words, st.none(), st.booleans()), max_size=3
    ),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        [
            "",
            "1.5",
            "2026-11-26T03:26:05",
            "2026-11-26T03:26Z",
            "2026-11-26 03:26:05.5-03:00",
            "2026-11-26T03:26:60Z",
            1764127565,
            "x" * 1025,
            {"duration": None},
        ]
    ),
)


def what(read: Callable[[bytes], Measurements], body: bytes) -> dict[str, Any] | str:
    try:
        batch = read(body)
    except Invalid as error:
        return str(error)
    said = {field: getattr(batch, field) for field in FIELDS}
    return said | {"histograms": {name: _events(delta) for name, delta in batch.histograms.items()}}


def same(body: bytes) -> bool:
    """Return whether both say the same, up to the rounding of nanoseconds."""
    quick, plain = what(decoded, body), what(read_batch, body)
    if isinstance(quick, str) or isinstance(plain, str):
        return quick == plain
    return all(
        quick[field] == plain[field]
        or (isinstance(quick[field], datetime) and abs(quick[field] - plain[field]) <= MICROSECOND)
        for field in FIELDS
    )


def test_a_plain_message_is_read_quickly_and_says_the_same() -> None:
    body = json.dumps(PLAIN).encode()
    assert isinstance(decoded(body), Plain)
    assert same(body)


@given(
    st.dictionaries(st.sampled_from([*PLAIN, "unknown"]), values, max_size=3),
    st.sets(st.sampled_from([*PLAIN])),
)
def test_whatever_is_wrong_with_a_message_both_say_the_same(wrong: dict[str, Any], without: set[str]) -> None:
    written = {name: value for name, value in PLAIN.items() if name not in without} | wrong
    assert same(json.dumps(written).encode())


@given(
    st.dictionaries(st.sampled_from([*HISTOGRAM, "unknown"]), values, max_size=3),
    st.sets(st.sampled_from([*HISTOGRAM])),
)
def test_whatever_is_wrong_with_a_histogram_both_say_the_same(
    wrong: dict[str, Any], without: set[str]
) -> None:
    written = {name: value for name, value in HISTOGRAM.items() if name not in without} | wrong
    assert same(json.dumps(PLAIN | {"histograms": {"duration": written, "other": HISTOGRAM}}).encode())


@given(
    st.lists(amounts, max_size=3),
    amounts,
    st.sampled_from([0, 0, 0, 1]),
    st.integers(3, 21),
    st.integers(-(2**70), 2**70),
)
def test_both_read_the_same_counts(counts: list[int], zero: int, more: int, scale: int, offset: int) -> None:
    written = HISTOGRAM | {"count": zero + sum(counts) + more, "zero_count": zero, "counts": counts}
    written |= {"scale": scale, "offset": offset}
    assert same(json.dumps(PLAIN | {"histograms": {"duration": written}}).encode())


@pytest.mark.parametrize("octaves", [50, 51])
def test_both_take_as_many_octaves(octaves: int) -> None:
    counts = [1] * 16 * octaves
    written = HISTOGRAM | {"count": 1 + len(counts), "counts": counts}
    assert same(json.dumps(PLAIN | {"histograms": {"duration": written}}).encode())


@settings(max_examples=500)
@given(st.integers(0, 480), st.binary(max_size=3), st.integers(0, 3))
def test_both_say_the_same_of_bytes_that_were_damaged(at: int, by: bytes, dropped: int) -> None:
    body = json.dumps({name: value for name, value in PLAIN.items() if name != "resource"}).encode()
    assert same(body[:at] + by + body[at + dropped :])


@given(st.datetimes(), st.integers(-23 * 60, 23 * 60))
def test_both_read_the_same_moments(moment: datetime, minutes: int) -> None:
    local = moment.isoformat() + _offset(minutes)
    assert same(json.dumps(PLAIN | {"at": local}).encode())


def test_both_refuse_what_is_too_deep() -> None:
    body = json.dumps(PLAIN | {"unknown": "HERE"}).replace('"HERE"', "[" * 3000 + "]" * 3000)
    assert same(body.encode())


def test_nanoseconds_are_rounded() -> None:
    batch = decoded(json.dumps(PLAIN | {"at": "2026-11-26T03:26:05.123456700Z"}).encode())
    assert batch.at == datetime(2026, 11, 26, 3, 26, 5, 123457, UTC)


def test_a_group_that_is_not_named_is_the_source() -> None:
    assert decoded(json.dumps(PLAIN | {"group": ""}).encode()).group == "shop-1"


@pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", '"1.5"', "true", "null", "01", "1" * 400])
def test_both_say_the_same_of_numbers_that_are_none(number: str) -> None:
    body = json.dumps(PLAIN | {"gauges": {"queue.size": "HERE"}}).replace('"HERE"', number)
    assert same(body.encode())


def _events(delta: Dense) -> dict[str, Any]:
    return {field: getattr(delta, field) for field in FIELDS_OF_A_HISTOGRAM} | {"counts": list(delta.counts)}


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
