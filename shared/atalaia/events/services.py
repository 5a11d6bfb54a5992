"""What each instance says of itself every two seconds."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

ANNOUNCE_EVERY_S = 2.0
MISSING_AFTER_S = 6.0
FORGOTTEN_AFTER_S = 600.0


class ServiceAnnouncement(BaseModel):
    """One message on `atalaia.services.<service>.<instance>` (core NATS). `detail`: what it warns of."""

    model_config = ConfigDict(frozen=True)

    service: str
    instance: str
    version: str
    status: Literal["up", "draining"]
    at: AwareDatetime
    host: str = ""
    started_at: AwareDatetime | None = None
    detail: str = ""
