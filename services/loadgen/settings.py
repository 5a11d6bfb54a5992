"""What the load generator reads from its environment as a service."""

from __future__ import annotations

import socket

from pydantic import Field

from atalaia.settings import Settings
from services.loadgen.domain.admission import Limits


class LoadgenSettings(Settings):
    http_port: int = Field(
        8000, ge=1, le=65535, description="the gateway's port, which is the default target"
    )
    allowed_hosts: str = Field("", description="the platform's own names, comma-separated")
    loadgen_gateway_url: str = Field(
        "", description="the gateway, which is the default target; empty: 127.0.0.1 at ATALAIA_HTTP_PORT"
    )
    loadgen_allowed_hosts: str = Field("", description="further hosts that may be loaded, comma-separated")
    loadgen_max_rps: float = Field(5000.0, gt=0, description="most requests a second of one run")
    loadgen_max_users: int = Field(1000, ge=1, description="most users of one run")
    loadgen_max_duration_s: float = Field(3600.0, gt=0, description="longest run")

    @property
    def gateway_url(self) -> str:
        return self.loadgen_gateway_url.rstrip("/") or f"http://127.0.0.1:{self.http_port}"

    @property
    def limits(self) -> Limits:
        names = f"{self.allowed_hosts},{self.loadgen_allowed_hosts}".split(",")
        hosts = (socket.gethostname(), *(name.strip() for name in names if name.strip()))
        return Limits(hosts, self.loadgen_max_rps, self.loadgen_max_users, self.loadgen_max_duration_s)
