"""How a moment is written."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """Return an aware datetime as ISO 8601 in UTC with microseconds and a `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
