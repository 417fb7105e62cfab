"""What still waits for an engine's answer: orders, commands of the outboxes, moves of credit."""

from dataclasses import dataclass
from typing import Final

from infra.local import databases
from infra.local.errors import StackError
from infra.local.settings import Settings
from shared.postgres.pool import DatabaseUnavailable
from shared.postgres.unit_of_work import UnitOfWork

_COUNT: Final = "select count(*), coalesce(extract(epoch from now() - min(created_at)), 0)::bigint"
_OUTBOXES: Final = {
    "core": ("users", "admin"),
    "clearing": ("payments", "settlement", "risk"),
}

# (what waits, database, query of how many and the oldest's age in seconds)
QUERIES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "orders without an engine's answer",
        "core",
        f"{_COUNT} from orders.orders where status in ('NEW', 'PENDING') and engine_sequence = 0",
    ),
    *(
        (
            f"commands of {schema}",
            database,
            f"{_COUNT} from {schema}.engine_outbox where answered_at is null",
        )
        for database, schemas in _OUTBOXES.items()
        for schema in schemas
    ),
    (
        "moves of credit",
        "clearing",
        f"{_COUNT} from payments.credit_moves where state in ('REQUESTED', 'OUT', 'UNDOING')",
    ),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of one kind wait, and for how many seconds the oldest has."""

    what: str
    count: int
    oldest_s: int


def waiting(settings: Settings) -> list[Waiting]:
    """Ask the databases, of which nothing is changed; raise StackError when one does not answer."""
    return [
        Waiting(what, *_row(databases.owner_dsn(settings, database), query))
        for what, database, query in QUERIES
    ]


def _row(dsn: str, query: str) -> tuple[int, int]:
    try:
        with UnitOfWork(dsn) as uow:
            row = uow.connection.execute(query.encode()).fetchone()
    except DatabaseUnavailable as error:
        raise StackError(f"the databases do not answer: {error}") from error
    assert row is not None, "a count has a row"
    count, oldest_s = row
    return count, oldest_s
