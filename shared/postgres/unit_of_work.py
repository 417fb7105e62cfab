"""The unit of work: one transaction of one use case; leaving it without a commit rolls back."""

from types import TracebackType
from typing import Self

import psycopg

from shared.postgres.pool import (
    Connection,
    DatabaseUnavailable,
    Pool,
    PoolSource,
    resolve_pool,
)

__all__ = ["Connection", "DatabaseUnavailable", "UnitOfWork"]

# What says that the server, and not the statement, is at fault (SQLSTATE classes).
_UNAVAILABLE = (psycopg.OperationalError, psycopg.InterfaceError)


class UnitOfWork:
    """A transaction on one pooled connection.

    Examples
    --------
    >>> with UnitOfWork(dsn) as uow:            # doctest: +SKIP
    ...     uow.connection.execute("insert …")
    ...     uow.commit()

    Raises
    ------
    DatabaseUnavailable
        On entry when no connection is to be had, inside and from `commit` when the server fails.
    """

    def __init__(self, source: PoolSource) -> None:
        self._source = source
        self._pool: Pool | None = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the unit of work is not open")
        return self._connection

    def __enter__(self) -> Self:
        if self._connection is not None:
            raise RuntimeError("the unit of work is already open")
        self._pool = resolve_pool(self._source)
        self._connection = self._pool.take()
        return self

    def commit(self) -> None:
        """Make the work durable; more work may follow in a new transaction."""
        try:
            self.connection.commit()
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable("commit: outcome unknown") from error

    def rollback(self) -> None:
        try:
            self.connection.rollback()
        except _UNAVAILABLE:
            self.connection.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection, pool = self.connection, self._pool
        assert pool is not None
        try:
            self.rollback()
        finally:
            self._connection = None
            pool.give_back(connection)
        if isinstance(error, _UNAVAILABLE):
            raise DatabaseUnavailable(type(error).__name__) from error
