"""Names for runs."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_run_id(at: datetime) -> str:
    """Return a name that sorts by time."""
    return f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
