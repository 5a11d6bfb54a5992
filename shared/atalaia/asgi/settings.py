"""What an instrumented application reads from its environment."""

from __future__ import annotations

from pydantic import Field

from atalaia.settings import Settings


class AppSettings(Settings):
    """Ten seconds: six messages in an alert rule's minute, and 1000 messages of history are 2.8 hours."""

    app_interval_s: float = Field(10.0, ge=0.1, le=3600, description="seconds between an app's messages")
    app_most_series: int = Field(200, ge=60, le=5000, description="series of one app's process")
