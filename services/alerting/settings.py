"""What alerting reads from its environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from atalaia import urls
from atalaia.database import DatabaseSettings
from atalaia.errors import Misconfigured
from atalaia.events.streams import GIB
from atalaia.settings import server_url
from services.alerting.domain.channels_file import Notifications, Surroundings, load_notifications
from services.alerting.domain.rules import Rules
from services.alerting.domain.rules_file import load_rules

STOCK = Path(__file__).with_name("domain") / "stock.yaml"


class AlertingSettings(DatabaseSettings):
    # a database that does not answer within seconds is away: a slower commit would outlast its lease
    database_acquire_timeout_s: float = Field(4.0, gt=0, le=60, description="longest wait for a connection")
    database_statement_timeout_s: float = Field(4.0, gt=0, le=60, description="longest statement")
    alerting_rules: Path | None = Field(None, description="a rules file on top of the stock rules")
    alerting_channels: Path | None = Field(None, description="a file of channels and routes")
    notify_urls: SecretStr = Field(
        SecretStr(""), description="comma-separated URLs that are told of every alert"
    )
    public_url: Annotated[str, server_url(urls.web)] = Field(
        "http://127.0.0.1:8000", description="where people find the gateway; for links in messages"
    )
    alerting_metrics_max_bytes: int = Field(
        10 * GIB, ge=2**20, description="most bytes of the metrics stream; less where the disk is smaller"
    )
    alerting_history: int = Field(1000, ge=1, le=10**6, description="messages kept of each source")
    alerting_alerts_kept_days: int = Field(
        90, ge=1, le=36_500, description="resolved alerts and their timelines are deleted after so long"
    )
    alerting_deliveries_kept_days: int = Field(
        30, ge=2, le=36_500, description="tries to deliver are deleted after so long"
    )
    alerting_stream_replicas: int = Field(1, ge=1, le=5)


def read_rules(settings: AlertingSettings) -> Rules:
    """Return the stock rules with the team's file on top.

    Raises:
        Misconfigured: the file is wrong or cannot be read.
    """
    stock = load_rules(STOCK.read_text(), file=STOCK.name)
    path = settings.alerting_rules
    if path is None:
        return stock
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"ATALAIA_ALERTING_RULES is {str(path)!r}: {error}") from error
    return load_rules(text, file=str(path), base=stock)


def read_notifications(settings: AlertingSettings) -> Notifications:
    """Return the channels and routes of the file and of the list of URLs.

    Raises:
        Misconfigured: something is wrong; never says what a URL or a secret was.
    """
    path = settings.alerting_channels
    text = ""
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"ATALAIA_ALERTING_CHANNELS is {str(path)!r}: {error}") from error
    return load_notifications(
        text,
        file=str(path or ""),
        urls=settings.notify_urls.get_secret_value(),
        around=Surroundings(os.environ, lambda name: Path(name).read_text()),
    )
