"""The newest message of each subject."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from atalaia.events.order import Order, Verdict
from atalaia.events.subjects import token
from services.api.domain.newest import Newest

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SUBJECT = "atalaia.metrics.host.web-1.web-1.7"


def body(after_s: float, value: object = 1.0, **more: object) -> bytes:
    at = (T0 + timedelta(seconds=after_s)).isoformat()
    given = {"source": "web-1", "kind": "host", "at": at, "interval_s": 1, "gauges": {"g": value}, **more}
    return json.dumps(given).encode()


def newest_value(newest: Newest) -> float | None:
    subject = next(iter(newest.subjects()), None)
    return subject.batch().gauges["g"] if subject else None


def taken(*bodies: bytes) -> Newest:
    newest = Newest()
    for one in bodies:
        newest.take(SUBJECT, one, T0 + timedelta(hours=1))
    return newest


def test_the_newest_is_shown_and_a_late_one_is_not() -> None:
    newest = taken(body(0, 1.0), body(10, 2.0), body(5, 3.0))
    assert newest_value(newest) == 2.0
    assert newest.late == 1


def test_one_that_is_not_valid_changes_nothing_however_many_follow() -> None:
    newest = taken(body(0, 1.0), body(10, "many"), body(20, float("nan")), body(30, interval_s=-1))
    assert (newest_value(newest), newest.invalid) == (1.0, 3)
    newest.take(SUBJECT, body(5, 3.0), T0)  # newer than the newest valid one
    assert newest_value(newest) == 3.0


def test_what_nobody_can_read_is_counted() -> None:
    newest = taken(b"{", body(0, source="web-2"), body(7200))
    assert (newest.invalid, len(newest)) == (3, 0)


def test_other_names_of_the_same_tokens_take_the_subject_over() -> None:
    odd = "web 1"
    same = token(odd)
    newest = Newest()
    subject = f"atalaia.metrics.host.{same}.{same}.7"
    newest.take(subject, body(0, source=same, group=same), T0)
    newest.take(subject, body(1, source=odd, group=odd), T0)
    assert [one.source for one in newest.subjects()] == [odd]
    assert [len(newest.subjects(source=name)) for name in (same, odd)] == [0, 1]
    newest.take(subject, body(0.5, source=same, group=same), T0)
    assert newest.late == 1


def test_a_source_is_stale_after_a_minute_of_listening() -> None:
    newest = taken(body(0))
    (subject,) = newest.subjects()
    newest.listened(60.0)
    assert not newest.stale(subject)
    newest.listened(0.1)
    assert newest.stale(subject)


def test_a_source_silent_for_a_day_is_forgotten_unless_an_alert_fires() -> None:
    for keep, left in ((frozenset({("host", "web-1")}), 1), (frozenset(), 0)):
        newest = taken(body(0))
        newest.forget(T0 + timedelta(hours=26), keep)
        assert len(newest) == left
        assert len(newest.subjects(source="web-1")) == len(newest.subjects(kind="host")) == left


def test_order_drops_five_late_ones_and_takes_the_sixth_that_rises() -> None:
    order = Order()
    order.place(T0)
    late = [order.place(T0 - timedelta(seconds=60 - n)) for n in range(6)]
    assert late == [Verdict.LATE] * 5 + [Verdict.ANEW]
    assert order.place(T0 - timedelta(seconds=50)) is Verdict.NEWER


def test_repeats_never_start_anew() -> None:
    order = Order()
    order.place(T0)
    assert {order.place(T0 - timedelta(seconds=5)) for _ in range(20)} == {Verdict.LATE}
