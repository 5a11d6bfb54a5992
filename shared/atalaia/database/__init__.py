"""Postgres: a pool that heals by itself, and migrations."""

from atalaia.database.errors import Uncertain
from atalaia.database.metrics import DatabaseMetrics
from atalaia.database.migrations import migrate
from atalaia.database.pool import Pool
from atalaia.database.session import Connection, Isolation, Session, Transaction
from atalaia.database.settings import DatabaseSettings

__all__ = [
    "Connection",
    "DatabaseMetrics",
    "DatabaseSettings",
    "Isolation",
    "Pool",
    "Session",
    "Transaction",
    "Uncertain",
    "migrate",
]
