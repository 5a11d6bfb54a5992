"""From a bad value to the receiver: webhooks, mail, silences, and what the timeline says of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.system.mailserver import PASSWORD, mail_server
from tests.system.platform import Platform, Source, await_that
from tests.system.receiver import Behaviour, Call, Mailbox, Receiver, await_call, mailbox, receiving

BREACH = [0.99] * 8  # ten seconds apart: longer than the 60 s of `high-cpu`
RULES = """
rules:
  - {name: swings, metric: swings.value, thresholds: {warning: 0.8}, for: 0s, summary: "{source} at {value}"}
"""
CHANNELS = """
channels:
  - name: signed
    url: {signed}?token=${{TOKEN}}
    secret: ${{SECRET}}
  - name: broken
    url: {broken}
routes:
  - match: {{source: {{"=~": "broken-.*"}}}}
    channels: [broken]
  - channels: [signed]
"""


class Scene:
    def __init__(self, folder: Path, receivers: tuple[Receiver, Receiver, Receiver], box: Mailbox) -> None:
        self.webhook, self.signed, self.broken = receivers
        self.box = box
        self.file = folder / "channels.yaml"
        self.file.write_text(CHANNELS.format(signed=self.signed.url, broken=self.broken.url))
        self.rules = folder / "rules.yaml"
        self.rules.write_text(RULES)
        self.platform = Platform(
            folder / "data",
            ATALAIA_ALERTING_RULES=str(self.rules),
            ATALAIA_NOTIFY_URLS=f"{self.webhook.url},{box.url}",
            ATALAIA_ALERTING_CHANNELS=str(self.file),
            TOKEN="secret-token",
            SECRET="secret-key",
        )

    async def fires(self, source: Source) -> None:
        await self.publish(source, *BREACH)

    async def publish(self, source: Source, *values: float) -> None:
        async with self.platform.nats() as client:
            for body in source.bodies(*values):
                await client.publish(source.subject, body)
            await client.flush()

    def alert(self, source: str, state: str = "firing") -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return list(self.platform.get(f"/alerts?state={state}&source={source}")[1]["alerts"])

        return await_that(found, what=f"the alert of {source}")[0]

    def timeline(self, alert_id: str) -> list[dict[str, Any]]:
        return list(self.platform.get(f"/alerts/{alert_id}")[1]["timeline"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("delivery")
    bad = Behaviour(status=404)
    with receiving() as webhook, receiving() as signed, receiving(bad) as broken, mailbox() as box:
        scene = Scene(folder, (webhook, signed, broken), box)
        scene.platform.start()
        yield scene
        assert scene.platform.stop() == 0


async def test_a_fired_alert_is_in_webhook_and_mailbox_and_on_the_timeline(scene: Scene) -> None:
    source = Source("both")
    await scene.fires(source)
    await_call(scene.webhook, lambda it: it.said("both") == ["both firing"], within_s=5.0)
    await_that(lambda: any("CPU of both" in mail for mail in scene.box.mails), within_s=5.0, what="the mail")
    alert_id = scene.alert("both")["alert_id"]

    def delivered() -> dict[str, tuple[int, str, int | None]] | None:
        entries = [entry for entry in scene.timeline(alert_id) if entry["type"] == "delivery"]
        found = {one["channel"]: (one["attempt"], one["outcome"], one["http_status"]) for one in entries}
        return found if len(found) == 3 else None

    assert await_that(delivered, what="the deliveries") == {
        "webhook": (1, "delivered", 200),
        "email": (1, "delivered", None),
        "signed": (1, "delivered", 200),
    }


async def test_the_payload_is_alertmanagers_and_the_end_follows_the_beginning(scene: Scene) -> None:
    source = Source("payload")
    await scene.fires(source)
    await_call(scene.webhook, lambda it: bool(it.said("payload")))
    await scene.publish(source, 0.1)
    await_call(scene.webhook, lambda it: it.said("payload") == ["payload firing", "payload resolved"])
    calls = [one for one in scene.webhook.calls if b'"payload"' in one.raw]
    fired, resolved = calls[0].body, calls[-1].body
    assert fired["version"] == "4"
    assert (fired["status"], resolved["status"]) == ("firing", "resolved")
    assert fired["receiver"] == "webhook"
    assert fired["groupLabels"] == {"alertname": "high-cpu", "group": "payload"}
    (alert,) = fired["alerts"]
    assert alert["labels"] == {
        "alertname": "high-cpu",
        "source": "payload",
        "kind": "host",
        "group": "payload",
        "severity": "critical",
        "series": "system.cpu.utilization",
    }
    assert alert["annotations"] == {"summary": "CPU of payload at 99 % for 1 min"}
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert resolved["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert calls[0].key != calls[-1].key


async def test_a_rule_that_is_removed_ends_its_alerts(scene: Scene) -> None:
    await scene.fires(Source("removed"))
    alert_id = scene.alert("removed")["alert_id"]
    await_call(scene.webhook, lambda it: it.said("removed") == ["removed firing"])
    scene.rules.write_text(RULES + "  - {name: high-cpu, enabled: false}\n")
    scene.platform.child("services.alerting").send_signal(signal.SIGHUP)
    await_call(scene.webhook, lambda it: it.said("removed") == ["removed firing", "removed resolved"])
    scene.rules.write_text(RULES)
    scene.platform.child("services.alerting").send_signal(signal.SIGHUP)
    alert = scene.platform.get(f"/alerts/{alert_id}")[1]
    assert (alert["state"], alert["resolved_by"]) == ("resolved", "rule_removed")
    transitions = [one["transition"] for one in alert["timeline"] if one["type"] == "transition"]
    assert transitions == ["fired", "resolved"]


async def an_hour(scene: Scene, name: str, low: float, high: float, *, until: str) -> list[Call]:
    """Publish 48 minutes of a value that swings every half minute, and eleven of a good one.

    Return what the webhook is told, once it was told of `until`.
    """
    source = Source(name, series="swings.value")
    source.at = datetime.now(UTC) - timedelta(minutes=59.5)
    swinging = [high if n // 3 % 2 else low for n in range(48 * 6)]
    await scene.publish(source, *swinging, *[0.1] * (11 * 6))
    await_call(scene.webhook, lambda it: any(until in one["transitions"] for one in it.alerts(name)))
    return [call for call in scene.webhook.taken if f'"{name}"'.encode() in call.raw]


async def test_an_hour_of_swinging_within_the_clear_band_is_two_messages(scene: Scene) -> None:
    assert len(await an_hour(scene, "within", 0.75, 0.85, until="resolved")) == 2


async def test_an_hour_of_swinging_beyond_it_is_a_beginning_a_digest_and_an_end(scene: Scene) -> None:
    calls = await an_hour(scene, "beyond", 0.1, 0.9, until="stabilized")
    beginning, digest, end = (call.body["alerts"] for call in calls if b'"flapping":true' in call.raw)
    assert len(calls) <= 3 + 4  # it flaps from the third time on
    assert (beginning[-1]["transitions"], beginning[-1]["flapping"]) == (["fired"], True)
    assert len(digest) > 20
    assert end[-1]["transitions"][-1] == "stabilized"
    assert {alert["status"] for alert in end} == {"resolved"}


async def test_the_signature_proves_the_body(scene: Scene) -> None:
    await scene.fires(Source("signed"))
    await_call(scene.signed, lambda it: bool(it.said("signed")))
    call = next(one for one in scene.signed.calls if b'"signed"' in one.raw)
    stamp, signature = (part.split("=")[1] for part in call.headers["atalaia-signature"].split(","))
    expected = hmac.new(b"secret-key", f"{stamp}.".encode() + call.raw, hashlib.sha256).hexdigest()
    assert signature == expected
    assert abs(time.time() - int(stamp)) < 60


async def test_a_404_ends_the_delivery_and_is_on_the_timeline(scene: Scene) -> None:
    await scene.fires(Source("broken-1"))
    alert_id = scene.alert("broken-1")["alert_id"]

    def rejected() -> list[tuple[str, int, int]]:
        entries = [entry for entry in scene.timeline(alert_id) if entry.get("channel") == "broken"]
        return [(entry["outcome"], entry["attempt"], entry["http_status"]) for entry in entries]

    assert await_that(rejected, what="the rejection") == [("rejected", 1, 404)]
    assert await_that(lambda: waiting(scene, "broken") == 0, what="nothing to wait")


def waiting(scene: Scene, name: str) -> int:
    channels = scene.platform.get("/channels")[1]["channels"]
    return int(next(one for one in channels if one["name"] == name)["waiting"])


def test_channels_say_how_they_are_and_no_secret(scene: Scene) -> None:
    status, answer = scene.platform.get("/channels")
    assert status == 200
    assert {one["name"]: one["kind"] for one in answer["channels"]} == {
        "webhook": "webhook",
        "email": "email",
        "signed": "webhook",
        "broken": "webhook",
    }
    targets = {one["name"]: one["target"] for one in answer["channels"]}
    assert targets["signed"] == f"webhook+http://127.0.0.1:{scene.signed.server.port}/…"
    assert {one["state"] for one in answer["channels"]} == {"up"}


def test_a_channel_can_be_tested(scene: Scene) -> None:
    status, answer = scene.platform.request("POST", "/channels/signed/test")
    assert status == 200
    assert (answer["outcome"], answer["http_status"]) == ("delivered", 200)
    assert scene.signed.calls[-1].body["alerts"][0]["labels"]["alertname"] == "atalaia-test"
    assert scene.platform.request("POST", "/channels/broken/test")[1]["outcome"] == "rejected"
    assert scene.platform.request("POST", "/channels/nobody/test")[0] == 404


async def test_a_silence_holds_back_and_what_still_fires_is_said_when_it_ends(scene: Scene) -> None:
    body = {"matchers": {"source": "silenced", "rule": "high-cpu"}, "duration_s": 3600, "by": "ana"}
    status, silence = scene.platform.request("POST", "/silences", body)
    assert (status, silence["state"], silence["by"]) == (201, "active", "ana")
    await scene.fires(Source("silenced"))
    assert scene.alert("silenced")["silenced"] is True
    await asyncio.sleep(1.0)  # nothing is to happen: there is no effect to await
    assert scene.webhook.said("silenced") == []
    status, ended = scene.platform.request("POST", f"/silences/{silence['id']}/expire", {"by": "ben"})
    assert (status, ended["state"], ended["expired_by"]) == (200, "expired", "ben")
    await_call(scene.webhook, lambda it: it.said("silenced") == ["silenced firing"])
    assert scene.alert("silenced")["silenced"] is False
    assert scene.platform.request("POST", f"/silences/{silence['id']}/expire")[0] == 409


async def test_a_preview_says_what_would_be_hidden(scene: Scene) -> None:
    await scene.fires(Source("previewed"))
    scene.alert("previewed")
    body = {"matchers": {"source": {"=~": "preview.*"}}}
    status, answer = scene.platform.request("POST", "/silences/preview", body)
    assert status == 200
    assert (answer["count"], answer["everything"]) == (1, False)
    assert [alert["source"] for alert in answer["alerts"]] == ["previewed"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"matchers": {}, "duration_s": 60}, "matchers"),
        ({"matchers": {"source": {"=~": ".*"}}, "duration_s": 60}, "matchers"),
        ({"matchers": {"source": {"=~": "("}}, "duration_s": 60}, "matchers"),
        ({"matchers": {"source": "a"}}, "ends_at"),
        ({"matchers": {"source": "a"}, "ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_a_silence_that_is_wrong_is_refused(scene: Scene, body: dict[str, Any], field: str) -> None:
    status, answer = scene.platform.request("POST", "/silences", body)
    assert status == 422
    assert answer["errors"][0]["field"] == field


def test_everything_is_silenced_only_when_told(scene: Scene) -> None:
    body = {"matchers": {}, "duration_s": 60, "everything": True}
    status, silence = scene.platform.request("POST", "/silences", body)
    assert status == 201
    assert scene.platform.request("POST", f"/silences/{silence['id']}/expire")[0] == 200


def test_silences_come_in_pages(scene: Scene) -> None:
    made = []
    for n in range(3):
        body = {"matchers": {"source": f"page-{n}"}, "duration_s": 60, "comment": "paged"}
        made.append(scene.platform.request("POST", "/silences", body)[1]["id"])
    found, cursor = [], ""
    while True:
        _, page = scene.platform.get(f"/silences?limit=2&state=active{cursor}")
        found += [one["id"] for one in page["silences"] if one["comment"] == "paged"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == made[::-1]


def test_the_file_is_read_again_on_sighup_and_a_wrong_one_changes_nothing(scene: Scene) -> None:
    good = scene.file.read_text()
    alerting = scene.platform.child("services.alerting")

    def names() -> set[str]:
        return {one["name"] for one in scene.platform.get("/channels")[1]["channels"]}

    def said() -> str:
        services = scene.platform.get("/health/detailed")[1]["services"]
        return next(str(one["detail"]) for one in services if one["service"] == "alerting")

    scene.file.write_text(good.replace("name: broken", "name: other"))
    alerting.send_signal(signal.SIGHUP)
    await_that(lambda: "there is no channel 'broken'" in said(), what="the complaint")
    assert "broken" in names()
    scene.file.write_text(good.replace("broken", "other"))
    alerting.send_signal(signal.SIGHUP)
    await_that(lambda: names() == {"webhook", "email", "signed", "other"}, what="the new channel")
    await_that(lambda: said() == "", what="no complaint")
    scene.file.write_text(good)
    alerting.send_signal(signal.SIGHUP)
    await_that(lambda: "broken" in names(), what="the old channel")


def test_no_secret_is_in_the_output(scene: Scene) -> None:
    output = "".join(scene.platform.output)
    assert "secret-token" not in output
    assert "secret-key" not in output


async def test_one_variable_is_enough(tmp_path: Path) -> None:
    """A webhook, and a mail server that wants STARTTLS and a password: the alert arrives in both."""
    with receiving() as receiver, mail_server(tmp_path) as server:
        platform = Platform(
            tmp_path / "data",
            ATALAIA_NOTIFY_URLS=f"{receiver.url}/hook-t0ken,{server.url()},{server.url('wr0ng-password')}",
            SSL_CERT_FILE=str(server.trusted),
        )
        platform.start()
        try:
            source = Source("alone")
            async with platform.nats() as client:
                for body in source.bodies(*BREACH):
                    await client.publish(source.subject, body)
                await client.flush()
                began = time.monotonic()
            await_call(receiver, lambda it: it.said("alone") == ["alone firing"])
            await_that(lambda: server.mails, what="the mail")
            print(f"in both after {time.monotonic() - began:.2f} s")
            assert server.private == [True]

            def outcomes() -> dict[str, str] | None:
                (alert,) = platform.get("/alerts?source=alone")[1]["alerts"]
                entries = platform.get(f"/alerts/{alert['alert_id']}")[1]["timeline"]
                found = {entry["channel"]: entry["outcome"] for entry in entries if "channel" in entry}
                return found if len(found) == 3 else None

            assert await_that(outcomes, what="all on the timeline") == {
                "webhook": "delivered",
                "email": "delivered",
                "email-2": "failed",
            }
            said = [
                platform.get(path) for path in ("/channels", "/alerts", "/health/detailed", "/system/info")
            ]
            said += [platform.get(f"/alerts/{platform.get('/alerts')[1]['alerts'][0]['alert_id']}")]
            said += [platform.request("POST", f"/channels/{name}/test") for name in ("email", "email-2")]
        finally:
            assert platform.stop() == 0
    everything = repr(said) + "".join(platform.output)
    assert "user or password refused" in everything
    for secret in (PASSWORD, "wr0ng-password", "hook-t0ken"):
        assert secret not in everything
