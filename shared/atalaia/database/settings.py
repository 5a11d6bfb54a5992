"""What a service with a database reads from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from atalaia import urls
from atalaia.database.pool import Pool
from atalaia.settings import Settings, server_url


class DatabaseSettings(Settings):
    """Defaults for a service of the platform: a few connections that do much each."""

    database_url: Annotated[str, server_url(urls.postgres)] = Field(
        "postgresql://atalaia@127.0.0.1:5432/atalaia", validation_alias="DATABASE_URL", description="Postgres"
    )
    database_kept: int = Field(4, ge=0, le=1000, description="connections kept open")
    database_most: int = Field(50, ge=1, le=1000, description="connections under load")
    database_acquire_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="longest wait for a connection"
    )
    database_statement_timeout_s: float = Field(30.0, gt=0, le=3600, description="longest statement")
    database_transaction_pooling: bool = Field(
        False, description="PgBouncer in transaction mode, or the like, stands in front of Postgres"
    )

    @model_validator(mode="after")
    def _room_for_the_kept(self) -> Self:
        if self.database_kept > self.database_most:
            raise ValueError(
                f"ATALAIA_DATABASE_KEPT is {self.database_kept}, but ATALAIA_DATABASE_MOST is "
                f"{self.database_most}: no more can be kept than may be open"
            )
        return self

    def make_pool(self, application: str, server_settings: Mapping[str, str] | None = None) -> Pool:
        """Return a pool with these limits; it connects at the first use."""
        return Pool(
            self.database_url,
            kept=self.database_kept,
            most=self.database_most,
            acquire_timeout_s=self.database_acquire_timeout_s,
            statement_timeout_s=self.database_statement_timeout_s,
            transaction_pooling=self.database_transaction_pooling,
            server_settings=server_settings,
            application=application,
        )
