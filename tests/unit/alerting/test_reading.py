"""Whatever arrives is a batch, or a dead letter with a reason; never anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atalaia.errors import Invalid
from atalaia.events.metrics import Measurements
from services.alerting.handlers.reading import BatchReader

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SUBJECT = "atalaia.metrics.host.web-1.web-1.7"
GOOD: dict[str, Any] = {
    "source": "web-1",
    "kind": "host",
    "at": T0.isoformat(),
    "interval_s": 10.0,
    "gauges": {"a": 1.0},
    "counters": {'b{k="v"}': 1},
    "histograms": {"h": {"count": 2, "sum": 1.0, "scale": 4, "zero_count": 1, "offset": 0, "counts": [1]}},
}


def read(body: bytes, *, subject: str = SUBJECT) -> Measurements:
    return BatchReader().read(subject, body, T0)


def test_a_valid_message_is_a_batch() -> None:
    assert read(json.dumps(GOOD).encode()).gauges == {"a": 1.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"at": (T0 + timedelta(seconds=11)).isoformat()}, "ahead"),
        ({"at": "2026-11-24T12:00:00"}, "at"),
        ({"source": "web-2"}, "the subject"),
        ({"kind": "app"}, "the subject"),
        ({"group": "other"}, "the subject"),
        ({"gauges": {"a{}": 1.0}}, "a{}"),
        ({"gauges": {'a{y="1",x="2"}': 1.0}}, "sorted"),
        ({"gauges": {'a{source="x"}': 1.0}}, "reserved"),
        ({"gauges": {'a{x="\0"}': 1.0}}, "not a label"),
        ({"group": "a\0b"}, "NUL"),
        ({"gauges": {"a": "many"}}, "gauges.a"),
        ({"interval_s": 0}, "interval_s"),
        ({"histograms": {"h": {"count": 3, "sum": 1.0, "scale": 4, "counts": [1]}}}, "count"),
    ],
)
def test_a_dead_letter_has_its_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        read(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    with pytest.raises(Invalid):
        read(json.dumps(GOOD).replace('{"a": 1.0}', f'{{"a": {number}}}').encode())


def test_ten_seconds_ahead_is_not_too_far() -> None:
    read(json.dumps(GOOD | {"at": (T0 + timedelta(seconds=10)).isoformat()}).encode())


def accepted_or_refused(reader: BatchReader, body: bytes) -> None:
    try:
        batch = reader.read(SUBJECT, body, T0)
    except Invalid as error:
        assert str(error)
    else:
        assert (batch.source, batch.kind) == ("web-1", "host")


@given(st.binary(max_size=200))
def test_arbitrary_bytes(body: bytes) -> None:
    accepted_or_refused(BatchReader(), body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from([*GOOD, "group", "seq", "start"]), json_values), max_size=4))
def test_nearly_valid_messages(changes: list[dict[str, Any]]) -> None:
    reader = BatchReader()  # one reader for all: what it remembers of a layout must not let others pass
    for change in changes:
        accepted_or_refused(reader, json.dumps(GOOD | change).encode("utf-8", "surrogatepass"))
