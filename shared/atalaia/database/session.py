"""What a pool lends: a connection, with or without a transaction around it, that always comes back."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction as DriverTransaction

from atalaia.database.errors import (
    FOREIGN,
    Kind,
    Phase,
    Trouble,
    Uncertain,
    may_have_committed,
    misused,
    trouble,
)
from atalaia.errors import Invalid

if TYPE_CHECKING:
    from atalaia.database.pool import Pool

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Isolation: TypeAlias = Literal["read_committed", "repeatable_read", "serializable"]


class Session:
    """`async with`: a live connection. Used once.

    A class, not a generator: it is on the path of every statement, and a
    generator's context manager costs as much as all the rest of it.
    """

    __slots__ = ("_connection", "_pool", "phase", "read_only", "trouble")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self.read_only = False
        self.phase = Phase.ACQUIRING
        self.trouble: Trouble | None = None

    async def __aenter__(self) -> Connection:
        try:
            self._connection = connection = await self._pool.acquire()
        except Trouble as error:
            self.trouble = error
            raise
        except FOREIGN as error:
            self._explain(error)
            raise
        self.phase = Phase.WORKING
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._connection is not None
        await self._pool.release(self._connection)
        if error is not None:
            self._explain(error)

    def _explain(self, error: BaseException) -> None:
        """Raise what the error is to us, if it is anything; what is not stays as it is."""
        wrong = misused(error, read_only=self.read_only)
        if wrong is not None:
            raise wrong from error
        self.trouble = trouble(error)
        if self.trouble is not None:
            if self.trouble.kind is Kind.DEMOTED:
                self._pool.distrust()
            if may_have_committed(self.trouble.kind, self.phase) and not self.read_only:
                raise Uncertain(f"{self.trouble} during COMMIT: it may have taken effect") from error
            raise self.trouble from error


class Transaction(Session):
    """`async with`: a connection inside a transaction, committed at the end, undone by any error."""

    __slots__ = ("_isolation", "_transaction")

    def __init__(self, pool: Pool, isolation: Isolation | None, read_only: bool) -> None:
        super().__init__(pool)
        self._isolation, self.read_only = isolation, read_only
        self._transaction: DriverTransaction | None = None

    async def __aenter__(self) -> Connection:
        connection = await super().__aenter__()
        self._transaction = connection.transaction(isolation=self._isolation, readonly=self.read_only)
        try:
            await self._transaction.__aenter__()
        except BaseException as error:
            await super().__aexit__(type(error), error, error.__traceback__)
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            # giving the connection back rolls back: one way, also for a cancelled caller and a dead server
            await super().__aexit__(kind, error, traceback)
            return
        assert self._transaction is not None
        self.phase = Phase.COMMITTING
        try:
            await self._transaction.__aexit__(None, None, None)
            undone = self._answered() == "ROLLBACK"
        except BaseException as failed:
            await super().__aexit__(type(failed), failed, failed.__traceback__)
            raise
        await super().__aexit__(None, None, None)
        if undone:
            # the server answers so to a COMMIT after an error, and the driver takes it for success
            raise Invalid(
                "nothing was committed: an error inside the transaction was caught, not a savepoint's"
            )

    def _answered(self) -> str:
        connection: Any = self._connection
        answer: str = connection.answered
        return answer
