"""What docs/notifications.md shows, executed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from atalaia.events.matching import match_everything
from services.alerting.domain.channels_file import (
    CHANNEL_FIELDS,
    ROUTE_FIELDS,
    Surroundings,
    load_notifications,
)
from services.alerting.domain.payload import signature
from services.alerting.domain.silences import checked_matchers
from tests.unit.alerting.desks import event

DOC = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text()
AROUND = Surroundings({"PAGER_TOKEN": "p", "SLACK_TOKENS": "a/b/c"}, lambda name: f"what {name} holds\n")


def snippet(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_variable_makes_two_channels() -> None:
    (urls,) = re.findall(r"ATALAIA_NOTIFY_URLS='(.*?)'", snippet("sh"))
    found = load_notifications("", file="", urls=urls, around=AROUND)
    assert list(found.channels) == ["webhook", "email"]
    assert [one.channel for one in found.routes.recipients(event("a"))] == ["webhook", "email"]


def test_the_file_routes_as_it_says() -> None:
    found = load_notifications(snippet("yaml"), file="channels.yaml", urls="", around=AROUND)

    def told(**alert: object) -> list[str]:
        return [one.channel for one in found.routes.recipients(event("web-1", **alert))]

    assert told(severity="critical", group="shop") == ["pager", "team"]
    assert told(severity="warning", group="shop") == ["team"]
    assert told(rule="disk-full") == ["mail"]
    assert found.routes.catch_all


def test_every_field_of_the_file_is_documented() -> None:
    rows = "\n".join(line for line in DOC.splitlines() if line.startswith("| `"))
    assert [field for field in (*CHANNEL_FIELDS, *ROUTE_FIELDS) if f"`{field}`" not in rows] == []


def test_the_signature_is_checked_as_it_says() -> None:
    space: dict[str, Any] = {}
    exec(snippet("python"), space)
    header = signature("s", at_s=int(time.time()), body=b"{}")
    assert space["genuine"](header, b"{}", "s")
    assert not space["genuine"](header, b"{ }", "s")
    assert not space["genuine"](header, b"{}", "other")
    assert not space["genuine"](signature("s", at_s=1, body=b"{}"), b"{}", "s")


def test_the_silence_is_one() -> None:
    body = json.loads(snippet("json"))
    assert not match_everything(checked_matchers(body["matchers"], everything=False))
