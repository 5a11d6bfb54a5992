"""The CloudEvents 1.0 attributes that every event of ours carries in its headers."""

from __future__ import annotations

from datetime import datetime

from atalaia.events.instants import iso


def headers(*, message_id: str, type: str, source: str, at: datetime) -> dict[str, str]:
    """Return the headers of one event. `type` is the event's name, as in `metrics`; `source` its sender."""
    return {
        "Nats-Msg-Id": message_id,
        "ce-specversion": "1.0",
        "ce-id": message_id,
        "ce-type": f"atalaia.{type}.v1",
        "ce-source": f"atalaia/{source}",
        "ce-time": iso(at),
    }
