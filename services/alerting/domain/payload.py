"""What a message looks like: Alertmanager's webhook payload, and text for people."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from atalaia.events.alerts import AlertTransition, Transition
from atalaia.events.instants import iso
from atalaia.events.series import parse
from services.alerting.domain.flaps import Series, series_of
from services.alerting.domain.messages import Item, Kind, Message
from services.alerting.domain.routes import group_labels

FIRES_STILL = "0001-01-01T00:00:00Z"  # what Alertmanager says of an end that is not known
LINES_AT_MOST = 30
_ANNOTATIONS = ("summary", "description", "runbook_url")
_COLOURS = {"warning": "#d69e2e", "error": "#dd6b20", "critical": "#c53030"}
_RESOLVED_COLOUR = "#2f855a"


def webhook_body(message: Message, *, public_url: str) -> bytes:
    """Return Alertmanager's payload, version 4.

    Beyond it, each alert has `alertId`, `flapping`, and `transitions`: what happened since this
    channel was told.
    """
    said = [_alert(item.event, item.transitions, public_url) for item in message.items]
    said += [_alert(event, (), public_url) for event in message.context]
    document = {
        "version": "4",
        "groupKey": _group_key(message),
        "truncatedAlerts": message.left_out,
        "status": message.status,
        "receiver": message.channel,
        "groupLabels": _group_labels(message),
        "commonLabels": _common([one["labels"] for one in said]),
        "commonAnnotations": _common([one["annotations"] for one in said]),
        "externalURL": public_url,
        "alerts": said,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, *, at_s: int, body: bytes) -> str:
    """Return the header that proves who sent a body, and when: HMAC-SHA256 of `<at_s>.<body>`."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def title(message: Message) -> str:
    """Return one line that says what it is about."""
    if message.kind is Kind.TEST:
        return f"[TEST] Atalaia reaches {message.channel}"
    items = [told[-1] for told in _stories(message)]
    resolved = sum(item.resolved for item in items)
    firing = len(items) - resolved + len(message.context) + message.left_out
    counts = ", ".join(
        filter(None, (f"FIRING:{firing}" if firing else "", f"RESOLVED:{resolved}" if resolved else ""))
    )
    if message.kind is Kind.REMINDER:
        return f"[STILL {counts}] {_about(items)}"
    return f"[{counts}] {_about(items)}"


def lines(message: Message) -> list[str]:
    """Return a line for each alert, one for all of a series that flaps; those that changed first."""
    found = [_flapping(told) if _flaps(told[-1]) else _line(told[-1]) for told in _stories(message)]
    found += [f"still firing: {event.summary} ({event.severity.value})" for event in message.context]
    hidden = message.left_out + max(0, len(found) - LINES_AT_MOST)
    shown = found[:LINES_AT_MOST]
    return [*shown, f"… and {hidden} more"] if hidden else shown


def text(message: Message, *, public_url: str) -> str:
    """Return a message as plain text, without its title."""
    told = _stories(message)
    links = [_link(told[0][-1].event, public_url)] if len(told) == 1 else []
    return "\n".join([*lines(message), *links])


def slack_body(message: Message, *, public_url: str) -> bytes:
    """Return what an incoming webhook of Slack's takes."""
    attachment = {"color": _colour(message), "text": _escaped(text(message, public_url=public_url))}
    document = {"text": _escaped(title(message)), "attachments": [attachment]}
    return json.dumps(document, ensure_ascii=False).encode()


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return Prometheus' fingerprint of labels (FNV-1a 64), without the severity, which may change."""
    digest = 0xCBF29CE484222325
    for key in sorted(labels.keys() - {"severity"}):
        for byte in key.encode() + b"\xff" + labels[key].encode() + b"\xff":
            digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def _alert(event: AlertTransition, transitions: Sequence[str], public_url: str) -> dict[str, Any]:
    labels = _labels(event)
    said = event.model_dump(mode="json")
    resolved = event.state == "resolved"
    return {
        "status": "resolved" if resolved else "firing",
        "labels": labels,
        "annotations": {name: said[name] for name in _ANNOTATIONS if said.get(name)},
        "startsAt": iso(event.started_at),
        "endsAt": iso(event.at) if resolved else FIRES_STILL,
        "generatorURL": _link(event, public_url),
        "fingerprint": fingerprint(labels),
        "alertId": event.alert_id,
        "transitions": list(transitions),
        "flapping": bool(event.flapping),
    }


def _labels(event: AlertTransition) -> dict[str, str]:
    return {
        **event.labels,
        **dict(parse(event.series)[1]),
        "alertname": event.rule,
        "source": event.source,
        "kind": event.kind,
        "group": event.group,
        "severity": event.severity.value,
        "series": event.series,
    }


def _group_key(message: Message) -> str:
    if len(message.groups) == 1:
        return f"{message.channel}:{message.groups[0]}"
    return f"{message.channel}:{message.kind}"


def _group_labels(message: Message) -> dict[str, str]:
    if len(message.groups) != 1:
        return {}
    labels = group_labels(message.groups[0])
    return {("alertname" if key == "rule" else key): value for key, value in labels.items()}


def _common(given: list[dict[str, str]]) -> dict[str, str]:
    if not given:
        return {}
    return {key: value for key, value in given[0].items() if all(one.get(key) == value for one in given)}


def _about(items: Sequence[Item]) -> str:
    events = [item.event for item in items]
    if len(events) == 1:
        return events[0].summary
    rules, groups = {event.rule for event in events}, {event.group for event in events}
    rule = next(iter(rules)) if len(rules) == 1 else f"{len(rules)} rules"
    group = next(iter(groups)) if len(groups) == 1 else f"{len(groups)} groups"
    return f"{rule} on {group}"


def _stories(message: Message) -> list[list[Item]]:
    """Return a message's alerts one by one, but those of a series that flaps together, the newest last."""
    flapping = {series_of(item.event) for item in message.items if _flaps(item)}
    found: dict[Series | str, list[Item]] = {}
    for item in message.items:
        series = series_of(item.event)
        found.setdefault(series if series in flapping else item.event.alert_id, []).append(item)
    return list(found.values())


def _flaps(item: Item) -> bool:
    return bool(item.event.flapping) or Transition.STABILIZED in item.transitions


def _flapping(items: Sequence[Item]) -> str:
    """Return what there is to say of one series that flaps, or did, up to its newest alert."""
    event = items[-1].event
    fired = sum(Transition.FIRED in item.transitions for item in items)
    counted = f"fired {fired} times since the last message, " if fired > 1 else ""
    stable = Transition.STABILIZED in items[-1].transitions
    now = "resolved" if event.state == "resolved" else "still firing" if stable else "firing"
    what = "stable again" if stable else "flapping"
    return f"{what}: {event.summary} ({event.severity.value}): {counted}now {now}"


def _line(item: Item) -> str:
    event = item.event
    match event.transition:
        case Transition.RESOLVED:
            by = f" by {event.resolved_by}" if event.resolved_by else ""
            both = " (fired and resolved meanwhile)" if Transition.FIRED in item.transitions else ""
            return f"resolved{by}: {event.summary}{both}"
        case Transition.ACKNOWLEDGED if item.transitions:
            return f"acknowledged by {event.acknowledged_by}: {event.summary} ({event.severity.value})"
        case Transition.WENT_STALE:
            return f"no data: {event.summary} ({event.severity.value})"
        case _:
            what = str(event.transition) if item.transitions else "still firing"
            return f"{what.replace('_', ' ')}: {event.summary} ({event.severity.value})"


def _link(event: AlertTransition, public_url: str) -> str:
    return f"{public_url}/api/v1/monitoring/alerts/{event.alert_id}"


def _colour(message: Message) -> str:
    if message.status == "resolved":
        return _RESOLVED_COLOUR
    severities = [item.event.severity for item in message.items if not item.resolved]
    severities += [event.severity for event in message.context]
    worst = max(severities, key=lambda severity: severity.rank)
    return _COLOURS[worst.value]


def _escaped(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
