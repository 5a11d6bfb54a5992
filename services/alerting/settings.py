"""What alerting reads from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from atalaia.database import DatabaseSettings
from atalaia.errors import Misconfigured
from atalaia.events.streams import GIB
from services.alerting.domain.rules import Rules
from services.alerting.domain.rules_file import load_rules

STOCK = Path(__file__).with_name("domain") / "stock.yaml"


class AlertingSettings(DatabaseSettings):
    # a database that does not answer within seconds is away: a slower commit would outlast its lease
    database_acquire_timeout_s: float = Field(4.0, gt=0, le=60, description="longest wait for a connection")
    database_statement_timeout_s: float = Field(4.0, gt=0, le=60, description="longest statement")
    alerting_rules: Path | None = Field(None, description="a rules file on top of the stock rules")
    alerting_metrics_max_bytes: int = Field(
        10 * GIB, ge=2**20, description="most bytes of the metrics stream; less where the disk is smaller"
    )
    alerting_history: int = Field(1000, ge=1, le=10**6, description="messages kept of each source")
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
