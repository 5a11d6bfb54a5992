"""What the collector reads from its environment."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field, field_validator

from atalaia.settings import Settings

NAMES = ("cpu", "memory", "disk", "filesystem", "network", "system", "pressure", "containers", "self")


class CollectorSettings(Settings):
    collector_interval_s: float = Field(30.0, ge=0.1, le=3600, description="seconds between measurements")
    collector_intervals: str = Field("", description="other intervals by input, as in disk=60,network=5")
    collector_buffer: int = Field(1000, ge=1, le=10**6, description="batches held while the broker is away")
    collector_leave: bool = Field(False, description="1: say at a clean stop that this host leaves")
    collector_source: str = Field(
        default_factory=socket.gethostname, min_length=1, description="this host's name"
    )

    collector_proc: Path = Field(Path("/proc"), description="the machine's /proc, where it is mounted here")
    collector_sys: Path = Field(Path("/sys"), description="the machine's /sys, where it is mounted here")
    collector_root: Path = Field(Path("/"), description="the machine's root folder, where it is mounted here")

    @field_validator("collector_intervals")
    @classmethod
    def _intervals_are_named(cls, text: str) -> str:
        intervals_in(text)
        return text

    @property
    def intervals_s(self) -> dict[str, float]:
        """Return the interval of every input, by name."""
        return dict.fromkeys(NAMES, self.collector_interval_s) | intervals_in(self.collector_intervals)


def intervals_in(text: str) -> dict[str, float]:
    """Return {input: seconds} of a text such as `disk=60,network=5`.

    Raises:
        ValueError: names the part that is wrong and what is allowed.
    """
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition("=")
        if name not in NAMES:
            raise ValueError(f"{part!r}: inputs are {', '.join(NAMES)}")
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0.1 <= seconds <= 3600:
            raise ValueError(f"{part!r}: an interval is 0.1 to 3600 seconds")
        found[name] = seconds
    return found
