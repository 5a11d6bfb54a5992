"""What leaves a channel's desk, and when."""

from __future__ import annotations

import pytest

from atalaia.events.alerts import Severity
from services.alerting.domain.delivery import PROBE_EVERY
from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome, Verdict
from tests.unit.alerting.desks import DELIVERED, REFUSED, REJECTED, T0, TIMED_OUT, Scene


def test_the_first_message_of_a_group_leaves_at_once() -> None:
    assert Scene().happens("a", "fired").leaves() == ["group: a fired"]


def test_later_ones_are_gathered_for_the_group_interval() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    scene.at(1).happens("b", "fired")
    assert scene.leaves() == []
    scene.at(20).happens("c", "fired")
    assert scene.at(29.9).leaves() == []
    assert scene.at(30).leaves() == ["group: b fired, c fired"]


def test_another_group_does_not_wait() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    assert scene.at(1).happens("a/errors", "fired").leaves() == ["group: a/errors fired"]


def test_a_resolving_message_leaves_at_once_and_takes_what_waits_along() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    scene.at(1).happens("b", "fired").happens("a", "resolved")
    assert scene.leaves() == ["group: b fired, a resolved"]


def test_the_status_is_resolved_once_nothing_of_the_group_fires() -> None:
    scene = Scene().happens("a", "fired").happens("b", "fired")
    scene.leaves()
    (first,) = scene.at(1).happens("a", "resolved").due()
    assert first.status == "firing"
    assert [event.alert_id for event in first.context] == ["b"]
    scene.answer(first, DELIVERED)
    (second,) = scene.at(2).happens("b", "resolved").due()
    assert second.status == "resolved"


def test_what_fires_and_resolves_while_the_channel_is_well_is_two_messages() -> None:
    scene = Scene().happens("a", "fired", "resolved")
    assert scene.leaves() == ["group: a fired"]
    assert scene.leaves() == ["group: a resolved"]


def test_what_fires_and_resolves_while_the_channel_refuses_is_one_message() -> None:
    scene = Scene().happens("a", "fired")
    assert scene.leaves(REFUSED) == ["group: a fired"]
    scene.happens("a", "resolved")
    assert scene.at(2).leaves() == ["group: a fired+resolved"]
    assert scene.at(99).leaves() == []


def test_a_resolved_of_what_the_channel_never_heard_of_is_not_said() -> None:
    scene = Scene().happens("a", "resolved")
    assert scene.leaves() == []
    assert [notice.alert_id for notice in scene.desk.dropped] == ["a"]


def test_a_change_of_severity_is_how_it_begins_for_who_is_told_from_there_on() -> None:
    assert Scene().happens("a", "severity_changed").leaves() == ["group: a fired+severity_changed"]


def test_a_try_that_failed_is_repeated_after_1_2_4_8_seconds_and_at_most_30() -> None:
    scene = Scene().happens("a", "fired")
    waits, last_s = [], 0.0
    for _ in range(4):
        scene.leaves(REFUSED)
        assert scene.due() == []
        assert scene.desk.next_at is not None
        scene.now_s = (scene.desk.next_at - T0).total_seconds()
        waits.append(scene.now_s - last_s)
        last_s = scene.now_s
    assert waits == [1, 2, 4, 8]
    desk = Scene().happens("a", "fired").desk
    (message,) = desk.due(T0, lambda event: False)
    for tries in range(20):
        settled = desk.settle(message, REFUSED, T0, dice=1.0)
        assert settled.retry_at is not None
        assert (settled.retry_at - T0).total_seconds() <= 30, tries


def test_each_try_of_a_message_has_the_same_key() -> None:
    scene = Scene().happens("a", "fired")
    keys = []
    for outcome in (REFUSED, TIMED_OUT, TIMED_OUT):
        (message,) = scene.due()
        keys.append(message.key)
        scene.answer(message, outcome)
        scene.now_s += 10
    assert len(set(keys)) == 1


def test_what_was_perhaps_received_is_repeated_as_it_was() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves(TIMED_OUT)
    scene.happens("a", "resolved").happens("b", "fired")
    assert scene.at(5).leaves(REFUSED) == ["group: a fired"]
    assert scene.at(10).leaves() == ["group: a fired"]
    assert scene.leaves() == ["group: a resolved, b fired"]


def test_what_was_surely_refused_takes_on_what_has_come_since() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves(REFUSED)
    assert scene.at(5).happens("b", "fired").leaves() == ["group: a fired, b fired"]


def test_a_rejected_message_is_over_and_its_end_is_not_said() -> None:
    scene = Scene().happens("a", "fired")
    assert scene.leaves(REJECTED) == ["group: a fired"]
    assert scene.at(60).leaves() == []
    assert scene.happens("a", "resolved").leaves() == []


def test_retry_after_holds_the_whole_channel_back() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves(Outcome(Verdict.FAILED, 429, retry_after_s=20.0))
    scene.at(1).happens("b/errors", "fired")
    assert scene.at(19).leaves() == []
    assert scene.at(20).leaves() == ["group: a fired", "group: b/errors fired"]


def away(scene: Scene, rules: int = 5) -> Scene:
    """Open the breaker: as many groups fail."""
    for n in range(rules):
        scene.happens(f"a/rule-{n}", "fired")
    scene.leaves(REFUSED)
    assert scene.desk.open
    return scene


def test_after_five_failures_one_try_leaves_every_15_seconds() -> None:
    scene = away(Scene())
    tried = []
    for now_s in range(1, 61):
        tried += [now_s for _ in scene.at(now_s).leaves(REFUSED)]
    assert tried == [15, 30, 45, 60]
    assert PROBE_EVERY.total_seconds() == 15


def test_the_try_while_away_is_a_digest_that_lists_every_alert_that_changed() -> None:
    scene = away(Scene())
    scene.at(3).happens("a/rule-0", "resolved").happens("b/other", "fired", "resolved")
    (digest,) = scene.at(15).leaves()
    assert digest == (
        "digest: a/rule-0 fired+resolved, a/rule-1 fired, a/rule-2 fired, a/rule-3 fired, "
        "a/rule-4 fired, b/other fired+resolved"
    )


def test_everything_waiting_leaves_after_a_success() -> None:
    scene = Scene()
    for n in range(5):
        scene.happens(f"a/rule-{n}", "fired")
    scene.leaves(TIMED_OUT)
    scene.at(1).happens("b/x", "fired").happens("b/y", "fired")
    assert scene.at(15).leaves() == ["group: a/rule-0 fired"]
    left = scene.at(15.01).leaves()
    assert left[:-1] == [f"group: a/rule-{n} fired" for n in range(1, 5)]
    assert left[-1] == "digest: b/x fired, b/y fired"
    assert scene.at(16).happens("c/z", "fired").leaves() == ["group: c/z fired"]


def test_a_channel_that_says_no_is_there() -> None:
    scene = away(Scene())
    scene.at(15).leaves(REJECTED)
    assert not scene.desk.open


def test_after_24_hours_it_is_given_up() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves(REFUSED)
    scene.at(86_390).happens("b", "fired")
    assert scene.leaves(REFUSED) == ["group: a fired, b fired"]
    (old,) = scene.at(86_500).due()
    assert old.alert_ids == ["a"]
    scene.answer(old, Outcome(Verdict.EXPIRED))
    assert scene.leaves() == ["group: b fired"]


def test_silenced_alerts_are_held_back_until_the_silence_ends() -> None:
    scene = Scene().happens("a", "fired")
    scene.hides = lambda event: True
    assert scene.leaves() == []
    scene.hides = lambda event: False
    assert scene.at(600).leaves() == ["group: a fired"]


def test_what_fires_and_resolves_in_silence_is_not_said() -> None:
    scene = Scene().happens("a", "fired", "resolved")
    scene.hides = lambda event: True
    assert scene.leaves() == []
    scene.hides = lambda event: False
    assert scene.leaves() == []


def test_the_end_of_what_was_told_breaks_the_silence() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    scene.hides = lambda event: True
    assert scene.at(1).happens("a", "severity_changed", "resolved").leaves() == [
        "group: a severity_changed+resolved"
    ]


def test_a_silenced_alert_holds_no_other_back() -> None:
    scene = Scene().happens("a", "fired").happens("b", "fired")
    scene.hides = lambda event: event.source == "a"
    assert scene.leaves() == ["group: b fired"]


def test_reminders_come_at_growing_distance() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    reminded = []
    for hour in range(1, 32):
        reminded += [hour for _ in scene.at(hour * 3600).leaves()]
    assert reminded == [1, 3, 7, 15, 31]


def test_each_reminder_has_a_key_of_its_own() -> None:
    scene = Scene().happens("a", "fired")
    keys = []
    for hour in (0, 1, 3):
        (message,) = scene.at(hour * 3600).due()
        keys.append(message.key)
        scene.answer(message, DELIVERED)
    assert len(set(keys)) == 3


def test_a_reminder_does_not_leave_beside_other_news_of_its_group() -> None:
    scene = Scene().happens("a", "fired").happens("b", "fired")
    scene.leaves()
    scene.at(3600).happens("a", "resolved")
    assert scene.leaves(TIMED_OUT) == ["group: a resolved"]
    assert scene.at(3610).leaves() == ["group: a resolved"]


@pytest.mark.parametrize("why", ["acknowledged", "silenced", "resolved"])
def test_no_reminder_of_what_is(why: str) -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    if why == "silenced":
        scene.hides = lambda event: True
    else:
        scene.happens("a", why).at(30).leaves()
    assert scene.at(7200).leaves() == []


def test_reminders_come_again_when_it_gets_worse_than_what_was_acknowledged() -> None:
    scene = Scene().happens("a", "fired", "acknowledged")
    scene.leaves()
    scene.happens("a", "severity_changed", severity=Severity.CRITICAL).at(30).leaves()
    assert scene.at(3630).leaves() == ["reminder: a still"]


def test_a_host_that_goes_away_is_one_message() -> None:
    scene = Scene()
    for rule in ("cpu", "memory", "disk"):
        scene.happens(f"web-1/{rule}", "fired").happens(f"web-2/{rule}", "fired")
    scene.leaves()
    for rule in ("cpu", "memory", "disk"):
        scene.at(90).happens(f"web-1/{rule}", "went_stale")
    assert scene.leaves() == ["digest: web-1/cpu went_stale, web-1/memory went_stale, web-1/disk went_stale"]


def test_at_most_eight_messages_are_on_their_way() -> None:
    scene = Scene()
    for n in range(20):
        scene.happens(f"a/rule-{n}", "fired")
    messages = scene.due()
    assert len(messages) == 8
    assert scene.due() == []
    scene.answer(messages[0], DELIVERED)
    assert len(scene.due()) == 1


def test_a_group_has_one_message_on_its_way() -> None:
    scene = Scene().happens("a", "fired")
    (message,) = scene.due()
    scene.happens("a", "resolved")
    assert scene.due() == []
    scene.answer(message, DELIVERED)
    assert scene.leaves() == ["group: a resolved"]


def test_another_replica_repeats_what_was_under_way_under_its_key() -> None:
    scene = Scene().happens("a", "fired")
    (message,) = scene.due()
    other = Scene().happens("a", "fired").happens("b", "fired")
    other.desk.reopen(Message.read(message.body()), tries=0, retry_at=T0, sealed=True)
    assert other.due() == [message]
