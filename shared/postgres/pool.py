"""A small pool of PostgreSQL connections that fails fast and notices a server that went away."""

import select
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow

from shared.ports.failures import InfrastructureUnavailable

CONNECT_TIMEOUT_S: Final = 2
STATEMENT_TIMEOUT_MS: Final = 5_000
IDLE_TRANSACTION_TIMEOUT_MS: Final = 15_000

Connection = psycopg.Connection[TupleRow]


class DatabaseUnavailable(InfrastructureUnavailable):
    """PostgreSQL did not do what was asked: unreachable, restarting, overloaded or too slow.

    Raised before or while a transaction runs, nothing is stored. Raised by `commit`, the outcome is
    unknown, so whatever is repeated must be idempotent.
    """


class Pool:
    """At most `size` connections of one database; a thread waits `wait_ms` for a free one.

    A function's process serves one request at a time and uses one connection; tests and consumers
    with threads use more. No background threads, so a frozen function wakes up cleanly.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 8,
        wait_ms: int = 2_000,
        statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    ) -> None:
        self._dsn = dsn
        self._wait_ms = wait_ms
        self._slots = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._options = (
            f"-c statement_timeout={statement_timeout_ms} "
            f"-c idle_in_transaction_session_timeout={IDLE_TRANSACTION_TIMEOUT_MS}"
        )

    def take(self) -> Connection:
        """Return a usable connection; raise DatabaseUnavailable when there is none in time."""
        if not self._slots.acquire(timeout=self._wait_ms / 1_000):
            raise DatabaseUnavailable("all connections are in use")
        try:
            return self._idle_connection() or self._connect()
        except BaseException:
            self._slots.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Return a connection; one that is broken or inside a transaction is closed instead."""
        idle = psycopg.pq.TransactionStatus.IDLE
        if connection.closed or connection.info.transaction_status != idle:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        self._slots.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _idle_connection(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.closed and not _server_spoke(connection):
                return connection
            connection.close()

    def _connect(self) -> Connection:
        settings: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": self._options,
            "keepalives_idle": 10,
            "tcp_user_timeout": 5_000,
        }
        try:
            return psycopg.connect(self._dsn, **settings)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable("cannot connect") from error


def _server_spoke(connection: Connection) -> bool:
    """Return whether an idle connection has something to read: in practice, that it was closed."""
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poller.poll(0))


@cache
def pool_for(dsn: str) -> Pool:
    """Return this process's pool for a DSN."""
    return Pool(dsn)


PoolSource = Pool | str | Callable[[], Pool | str]


def resolve_pool(source: PoolSource) -> Pool:
    """Return the pool that a pool, a DSN, or a callable giving either stands for."""
    found = source() if callable(source) else source
    return found if isinstance(found, Pool) else pool_for(found)
