"""Postgres: a pool that heals by itself, and migrations."""

from atalaia.database.migrations import migrate
from atalaia.database.pool import Connection, Pool

__all__ = ["Connection", "Pool", "migrate"]
