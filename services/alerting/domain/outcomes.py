"""What one try to deliver came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    REJECTED = "rejected"  # trying again cannot help
    EXPIRED = "expired"  # tried for 24 h


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to. `maybe`: it failed, but may have been received all the same."""

    verdict: Verdict
    http_status: int | None = None
    detail: str = ""
    maybe: bool = False
    retry_after_s: float | None = None
