"""What a foreign error means to us: one table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from atalaia.errors import Transient

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # the server died under an idle connection
    asyncpg.exceptions.TargetServerAttributeNotMatched,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed may be changed back
    asyncpg.InvalidCatalogNameError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    OSError,  # refused, reset, no route; TimeoutError, too
)
_GONE = ("is closed", "released back to the pool", "closed in the middle", "pool is closing")


@contextmanager
def ours() -> Iterator[None]:
    """Turn what says "the database is away, slow or full" into `Transient`; let bugs pass."""
    try:
        yield
    except AWAY as error:
        raise Transient(f"postgres: {_text(error)}") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError) or not any(sign in str(error) for sign in _GONE):
            raise
        raise Transient(f"postgres: {_text(error)}") from error


def _text(error: BaseException) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
