"""What a message looks like to those who get it."""

from __future__ import annotations

import json
from typing import Any

from atalaia.events.alerts import Severity
from services.alerting.domain.messages import Message
from services.alerting.domain.payload import fingerprint, lines, slack_body, text, title, webhook_body
from tests.unit.alerting.desks import DELIVERED, REFUSED, Scene

URL = "http://watch.example.org"


def one(scene: Scene) -> Message:
    (message,) = scene.due()
    return message


def body(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webhook_body(message, public_url=URL))
    return found


def test_labels_are_the_alerts_the_series_and_the_rules() -> None:
    scene = Scene().happens(
        "web-1", "fired", series='fs.utilization{mount="/"}', labels={"team": "core", "severity": "none"}
    )
    (alert,) = body(one(scene))["alerts"]
    assert alert["labels"] == {
        "alertname": "high-cpu",
        "source": "web-1",
        "kind": "host",
        "group": "shop",
        "severity": "warning",
        "series": 'fs.utilization{mount="/"}',
        "mount": "/",
        "team": "core",
    }


def test_common_labels_are_those_that_all_share() -> None:
    said = body(one(Scene().happens("a", "fired").happens("b", "fired")))
    assert "source" not in said["commonLabels"]
    assert said["commonLabels"]["alertname"] == "high-cpu"
    assert said["groupLabels"] == {"alertname": "high-cpu", "group": "shop"}


def test_what_fires_besides_is_listed_without_transitions() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    said = body(one(scene.happens("b", "fired").at(30)))
    assert [(alert["alertId"], alert["transitions"]) for alert in said["alerts"]] == [
        ("b", ["fired"]),
        ("a", []),
    ]


def test_an_alert_that_ended_has_an_end() -> None:
    scene = Scene().happens("a", "fired")
    scene.leaves()
    said = body(one(scene.happens("a", "resolved")))
    assert said["status"] == "resolved"
    assert said["alerts"][0]["endsAt"] == "2026-11-24T12:00:00.000000Z"


def test_a_digest_has_no_group_labels() -> None:
    scene = Scene()
    for n in range(5):
        scene.happens(f"a/{n}", "fired")
    scene.leaves(REFUSED)
    said = body(one(scene.at(15)))
    assert said["groupLabels"] == {}
    assert len(said["alerts"]) == 5


def test_the_fingerprint_is_prometheus_and_does_not_mind_the_severity() -> None:
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"a": "b"}) != fingerprint({"a": "c"})
    assert fingerprint({"a": "b", "severity": "warning"}) == fingerprint({"a": "b", "severity": "critical"})


def test_titles_say_how_many_and_what() -> None:
    scene = Scene().happens("a", "fired")
    first = one(scene)
    assert title(first) == "[FIRING:1] a is bad"
    scene.answer(first, DELIVERED)
    second = one(scene.happens("b", "fired").happens("a", "resolved"))
    assert title(second) == "[FIRING:1, RESOLVED:1] high-cpu on shop"
    scene.answer(second, DELIVERED)
    assert title(one(scene.at(4000))) == "[STILL FIRING:1] b is bad"


def test_lines_say_what_happened() -> None:
    scene = Scene().happens("a", "fired", severity=Severity.CRITICAL)
    scene.leaves(REFUSED)
    scene.at(5).happens("b", "fired", "resolved")
    assert lines(one(scene)) == [
        "fired: a is bad (critical)",
        "resolved by recovery: b is bad (fired and resolved meanwhile)",
    ]


def test_a_series_that_flaps_is_one_line() -> None:
    scene = Scene().happens("a#1", "fired", flapping=True)
    first = one(scene)
    assert lines(first) == ["flapping: a#1 is bad (warning): now firing"]
    scene.answer(first, DELIVERED)
    scene.at(10).happens("a#1", "resolved", flapping=True)
    for number in range(2, 9):
        scene.happens(f"a#{number}", "fired", "resolved", flapping=True)
    scene.happens("a#9", "fired", flapping=True).at(620).happens("a#9", "stabilized", flapping=None)
    last = one(scene)
    assert title(last) == "[FIRING:1] a#9 is bad"
    assert lines(last) == [
        "stable again: a#9 is bad (warning): fired 8 times since the last message, now still firing"
    ]
    assert [alert["flapping"] for alert in body(last)["alerts"]] == [True] * 8 + [False]


def test_a_long_message_is_cut() -> None:
    scene = Scene()
    for n in range(40):
        scene.happens(f"web-{n}", "fired")
    found = lines(one(scene))
    assert len(found) == 31
    assert found[-1] == "… and 10 more"


def test_slack_reads_no_markup_out_of_names() -> None:
    scene = Scene().happens("a", "fired", summary="<!channel> & co")
    said = json.loads(slack_body(one(scene), public_url=URL))
    assert said["text"] == "[FIRING:1] &lt;!channel&gt; &amp; co"
    assert said["attachments"][0]["color"] == "#d69e2e"


def test_a_message_about_one_alert_links_to_it() -> None:
    message = one(Scene().happens("a", "fired"))
    assert text(message, public_url=URL).endswith(f"{URL}/api/v1/monitoring/alerts/a")
