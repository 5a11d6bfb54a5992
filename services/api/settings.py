"""What the gateway reads from its environment."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

from pydantic import Field

from atalaia import urls
from atalaia.database import DatabaseSettings
from atalaia.settings import server_url

MIB = 2**20
_Web = Annotated[str, server_url(urls.web, or_empty=True)]
BUILT_BESIDE = Path(__file__).parents[2] / "page" / "dist"


class ApiSettings(DatabaseSettings):
    # short: who asked waits with it
    database_acquire_timeout_s: float = Field(3.0, gt=0, le=60, description="longest wait for a connection")
    database_statement_timeout_s: float = Field(3.0, gt=0, le=60, description="longest statement")
    redis_url: Annotated[str, server_url(urls.redis, or_empty=True)] = Field(
        "", validation_alias="REDIS_URL", description="the cache; empty: none"
    )
    prometheus_url: _Web = Field(
        "",
        validation_alias="PROMETHEUS_URL",
        description="a link, watched; asked for ranges longer than the stream keeps",
    )
    grafana_url: _Web = Field("", validation_alias="GRAFANA_URL", description="a link, watched")
    api_prometheus_address: _Web = Field(
        "", description="where the gateway itself asks Prometheus, if not at PROMETHEUS_URL"
    )
    api_grafana_address: _Web = Field(
        "", description="where the gateway itself asks Grafana, if not at GRAFANA_URL"
    )
    http_port: int = Field(8000, ge=1, le=65535, description="the gateway's port")
    api_host: str = Field("127.0.0.1", description="the address it listens on; 0.0.0.0 for all")
    allowed_hosts: str = Field("", description="further host names it answers to, comma-separated")
    api_history_bytes: int = Field(
        256 * MIB, ge=MIB, description="most memory for history that is kept at hand"
    )

    api_most_readers: int = Field(2000, ge=1, le=100_000, description="most live streams open at once")
    api_linger_s: float = Field(
        0.0, ge=0, le=300, description="how long it goes on serving after SIGTERM, for balancers to notice"
    )

    api_page_dir: str = Field("", description="the built page; empty: page/dist beside the services")

    @property
    def page_dir(self) -> Path:
        return Path(self.api_page_dir) if self.api_page_dir else BUILT_BESIDE

    @property
    def hosts(self) -> frozenset[str]:
        """Return the host names that are known beside IP literals."""
        given = (name.strip().lower() for name in self.allowed_hosts.split(","))
        return frozenset({"localhost", socket.gethostname().lower(), *filter(None, given)})
