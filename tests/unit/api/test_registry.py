"""Who is there, who went missing; and the alerts that fire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from atalaia.events.services import ServiceAnnouncement
from services.api.domain.active import ActiveAlerts
from services.api.domain.registry import Registry
from tests.unit.api.builders import known

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(service: str, instance: str = "a", host: str = "h") -> ServiceAnnouncement:
    return ServiceAnnouncement(service=service, instance=instance, version="1", status="up", at=T0, host=host)


def statuses(registry: Registry, now: datetime) -> dict[str, str]:
    return {one.said.instance: one.status for one in registry.roll(now).instances}


def test_an_instance_is_missing_after_six_seconds_and_forgotten_after_ten_minutes() -> None:
    registry = Registry(T0)
    registry.hear(said("alerting"), T0)
    assert statuses(registry, after(6)) == {"a": "up"}
    assert statuses(registry, after(6.1)) == {"a": "missing"}
    assert statuses(registry, after(601)) == {}


def test_a_newer_instance_on_that_host_replaces_a_missing_one() -> None:
    registry = Registry(T0)
    registry.hear(said("alerting", "a"), T0)
    registry.hear(said("alerting", "b", host="elsewhere"), after(10))
    assert statuses(registry, after(10)) == {"a": "missing", "b": "up"}
    registry.hear(said("alerting", "c"), after(11))
    assert statuses(registry, after(11)) == {"b": "up", "c": "up"}


def test_only_a_service_with_no_instance_up_is_absent() -> None:
    registry = Registry(T0)
    assert registry.roll(after(5)).absent == ()
    for service in ("alerting", "collector"):
        registry.hear(said(service, "a"), after(6))
    registry.hear(said("alerting", "b"), after(14))
    assert registry.roll(after(14)).absent == ("collector",)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["alerting", "collector", "api"]), st.sampled_from("ab")),
            st.sampled_from([0.0, 0.5, 1.0, 3.0, 5.999999, 6.0, 6.000001, 300.0, 600.0, 600.000001, -2.0]),
        ),
        max_size=30,
    )
)
def test_what_was_called_before_does_not_change_the_roll(steps: list[tuple[str, str] | float]) -> None:
    asked_often, now_s = Registry(T0), 0.0
    heard: list[tuple[ServiceAnnouncement, datetime]] = []
    for step in steps:
        if isinstance(step, float):
            now_s += step
        else:
            heard.append((said(*step), after(now_s)))
            asked_often.hear(*heard[-1])
        asked_once = Registry(T0)
        for one in heard:
            asked_once.hear(*one)
        expected, found = asked_once.roll(after(now_s)), asked_often.roll(after(now_s))
        assert (found.instances, found.absent) == (expected.instances, expected.absent)
        heard = [(one, at) for one, at in heard if after(now_s) - at <= timedelta(seconds=600)]


def test_the_roll_is_the_same_object_until_time_or_news_changes_it() -> None:
    registry = Registry(T0)
    registry.hear(said("alerting"), after(10))
    first = registry.roll(after(10))
    assert registry.roll(after(16)) is first
    assert registry.roll(after(16.1)) is not first


def test_without_a_broker_silence_says_nothing() -> None:
    registry = Registry(T0)
    registry.hear(said("alerting"), T0)
    registry.listen_anew(after(100))
    assert statuses(registry, after(105)) == {"a": "up"}
    assert registry.roll(after(105)).absent == ()


def test_events_out_of_order_or_twice_change_nothing() -> None:
    active = ActiveAlerts()
    assert active.hear(known(1))
    assert not active.hear(known(1))
    assert active.hear(known(3, "resolved"))
    assert not active.hear(known(2))
    assert active.ids() == frozenset()


def test_what_was_missed_is_reconciled_and_what_came_meanwhile_stays() -> None:
    active = ActiveAlerts()
    active.hear(known(1, alert_id="over"))
    asked_about = active.ids()
    active.hear(known(1, alert_id="meanwhile"))
    active.reconcile([known(1, alert_id="stored")], asked_about=asked_about)
    assert active.ids() == {"meanwhile", "stored"}
