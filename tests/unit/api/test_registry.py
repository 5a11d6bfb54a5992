"""Who is there, who went missing; and the alerts that fire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from atalaia.events.alerts import AlertTransition, Severity, Transition
from atalaia.events.services import ServiceAnnouncement
from services.api.domain.active import ActiveAlerts, Known
from services.api.domain.registry import Registry

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def said(service: str, instance: str = "a", host: str = "h") -> ServiceAnnouncement:
    return ServiceAnnouncement(service=service, instance=instance, version="1", status="up", at=T0, host=host)


def statuses(registry: Registry, now: datetime) -> dict[str, str]:
    return {one.said.instance: one.status for one in registry.instances(now)}


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
    assert registry.absent(after(5)) == ()
    for service in ("alerting", "collector"):
        registry.hear(said(service, "a"), after(6))
    registry.hear(said("alerting", "b"), after(14))
    assert registry.absent(after(14)) == ("collector",)


def test_without_a_broker_silence_says_nothing() -> None:
    registry = Registry(T0)
    registry.hear(said("alerting"), T0)
    registry.listen_anew(after(100))
    assert statuses(registry, after(105)) == {"a": "up"}
    assert registry.absent(after(105)) == ()


def known(sequence: int, state: str = "firing", alert_id: str = "A") -> Known:
    return Known(
        sequence,
        AlertTransition.model_validate(
            {
                "alert_id": alert_id,
                "transition": Transition.FIRED,
                "at": T0,
                "rule": "r",
                "series": "s",
                "source": "x",
                "kind": "host",
                "group": "x",
                "severity": Severity.ERROR,
                "state": state,
                "value": 1.0,
                "threshold": 0.5,
                "started_at": T0,
                "summary": "bad",
            }
        ),
    )


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
