"""What is published of a change is, field by field, the JSON that the event's model would write."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.alerts import AlertTransition, Severity, Transition
from services.alerting.domain.alert import Alert, Change, Key, State

BEGAN = datetime(2000, 1, 1, tzinfo=UTC)
zones = st.sampled_from((UTC, timezone(timedelta(hours=-3))))
moments = st.builds(
    lambda microseconds, zone: (BEGAN + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(0, 3 * 10**15),
    zones,
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
people = st.none() | words
alerts = st.builds(
    Alert,
    alert_id=words,
    key=st.builds(Key, words, words, words, words),
    group=words,
    partition=st.just(7),
    state=st.sampled_from((State.FIRING, State.RESOLVED)),
    started_at=moments,
    last_at=moments,
    severity=st.sampled_from(Severity),
    value=numbers,
    threshold=numbers,
    resolved_by=people,
    acknowledged_by=people,
    summary=words,
    description=words,
    runbook_url=words,
    labels=st.dictionaries(words, words, max_size=2),
    flapping=st.booleans(),
)
changes = st.builds(Change, alerts, moments, st.sampled_from(Transition), by=people)


@given(changes)
def test_a_changes_body_is_its_events(change: Change) -> None:
    event = change.event()
    absent = {
        name
        for name in ("description", "runbook_url", "acknowledged_by", "resolved_by", "by", "flapping")
        if getattr(event, name) is None
    }
    said = change.spoken().said
    assert fields(said) == fields(event.body()) == fields(event.model_dump_json(exclude=absent))
    assert AlertTransition.model_validate_json(said) == event


def fields(body: str | bytes) -> list[tuple[str, Any]]:
    """Return what a body holds, in its order."""
    return list(json.loads(body).items())
