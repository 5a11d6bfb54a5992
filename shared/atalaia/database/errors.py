"""What a foreign error means to us: one table. And what may run again after it: another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from types import TracebackType

import asyncpg

from atalaia.errors import Invalid, Misconfigured, Transient


class Kind(Enum):
    """What happened, as far as trying again is concerned."""

    LOST = auto()  # the connection ended, or none could be made
    CONFLICT = auto()  # the server undid the whole transaction for another one's sake
    DEMOTED = auto()  # a server that only reads: the primary of yesterday
    TURNED_AWAY = auto()  # password, database: somebody has to change something
    BUSY = auto()  # too slow, full, or locked: again at once would make it worse


class Phase(Enum):
    """How far a piece of work had come."""

    ACQUIRING = auto()  # nothing has been sent
    WORKING = auto()
    COMMITTING = auto()  # COMMIT may have been sent, and may have taken effect


class Trouble(Transient):
    """Postgres is away, slow, full, or in somebody else's hands."""

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


class Uncertain(Transient):
    """The connection ended during COMMIT: it may have taken effect or not. Look before you repeat it."""


_KINDS: tuple[tuple[type[BaseException], Kind], ...] = (  # the first that fits
    (asyncpg.SerializationError, Kind.CONFLICT),
    (asyncpg.DeadlockDetectedError, Kind.CONFLICT),
    (asyncpg.ReadOnlySQLTransactionError, Kind.DEMOTED),
    (asyncpg.InvalidAuthorizationSpecificationError, Kind.TURNED_AWAY),  # may be changed back
    (asyncpg.InvalidCatalogNameError, Kind.TURNED_AWAY),
    (asyncpg.PostgresConnectionError, Kind.LOST),
    (asyncpg.AdminShutdownError, Kind.LOST),
    (asyncpg.CrashShutdownError, Kind.LOST),
    (asyncpg.CannotConnectNowError, Kind.LOST),
    (asyncpg.IdleSessionTimeoutError, Kind.LOST),
    (asyncpg.TooManyConnectionsError, Kind.LOST),
    (asyncpg.InternalClientError, Kind.LOST),  # the server died under an idle connection
    (asyncpg.exceptions.TargetServerAttributeNotMatched, Kind.LOST),
    (asyncpg.DiskFullError, Kind.BUSY),
    (asyncpg.OutOfMemoryError, Kind.BUSY),
    (asyncpg.QueryCanceledError, Kind.BUSY),
    (asyncpg.LockNotAvailableError, Kind.BUSY),
    (asyncpg.IdleInTransactionSessionTimeoutError, Kind.BUSY),
    (TimeoutError, Kind.BUSY),
    (OSError, Kind.LOST),  # refused, reset, no route
)
_GONE = ("is closed", "released back to the pool", "closed in the middle", "pool is closing")
_DRIVER = str(Path(asyncpg.__file__).parent)
FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def trouble(error: BaseException) -> Trouble | None:
    """Return what an error of the driver is to us, None for a bug and for what is none of our business.

    An `OSError` or `TimeoutError` counts only where the driver raised it: the
    caller's own requests may fail between two statements.
    """
    if isinstance(error, OSError) and not _raised_by_driver(error.__traceback__):
        return None
    if isinstance(error, asyncpg.InterfaceError):
        if isinstance(error, ValueError) or not any(sign in str(error) for sign in _GONE):
            return None
        return Trouble(_text(error), Kind.LOST)
    for kind_of_error, kind in _KINDS:
        if isinstance(error, kind_of_error):
            return Trouble(_text(error), kind)
    return None


def misused(error: BaseException, *, read_only: bool) -> Invalid | Misconfigured | None:
    """Return what trying again cannot help with; None for anything else."""
    if read_only and isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return Invalid(f"a transaction that only reads: {error}")
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Misconfigured(f"the database's URL is not one: {error}")
    return None


def may_run_again(kind: Kind, phase: Phase, *, read_only: bool) -> bool:
    """Return whether running a whole transaction again is safe and worth it."""
    if phase is Phase.ACQUIRING:
        return kind is Kind.LOST
    if kind is Kind.CONFLICT or kind is Kind.DEMOTED:
        return True  # the server has undone it, also when it says so in answer to COMMIT
    return kind is Kind.LOST and (read_only or phase is Phase.WORKING)


def may_have_committed(kind: Kind, phase: Phase) -> bool:
    """Return whether nobody can say if the transaction took effect."""
    return phase is Phase.COMMITTING and kind in (Kind.LOST, Kind.BUSY)


@contextmanager
def ours() -> Iterator[None]:
    """Turn what says "the database is away, slow or full" into `Transient`; let bugs pass."""
    try:
        yield
    except FOREIGN as error:
        found = trouble(error)
        if found is None:
            raise
        raise found from error


def _raised_by_driver(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith(_DRIVER):
            return True
        traceback = traceback.tb_next
    return False


def _text(error: BaseException) -> str:
    return "postgres: " + (str(error).split("\n", 1)[0] or type(error).__name__)
