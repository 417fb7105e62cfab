"""Credit moves in the clearing database: rows in, values out."""

from dataclasses import dataclass
from typing import Any, Final

from shared.postgres.unit_of_work import UnitOfWork

REQUESTED: Final = "REQUESTED"
OUT: Final = "OUT"  # it left the one engine and has not arrived at the other
DONE: Final = "DONE"
REFUSED: Final = "REFUSED"  # by the engine that it was to leave: nothing happened
UNDOING: Final = "UNDOING"  # the other engine refused it, so it goes back
UNDONE: Final = "UNDONE"
UNDER_WAY: Final = (REQUESTED, OUT, UNDOING)


@dataclass(frozen=True, slots=True)
class CreditMove:
    """A row of payments.credit_moves."""

    number: int
    account_id: int
    from_shard: int
    to_shard: int
    amount_minor: int
    state: str
    reason: str
    traceparent: str
    is_uncertain: bool  # the next command was sent lately, and not answered


_COLUMNS: Final = (
    "number, account_id, from_shard, to_shard, amount_minor, state, reason, traceparent, "
    "coalesce(unanswered_at > clock_timestamp() - interval '10 seconds', false)"
)


def add(
    uow: UnitOfWork,
    account_id: int,
    from_shard: int,
    to_shard: int,
    amount_minor: int,
    purpose: str,
    traceparent: str,
) -> CreditMove | None:
    """Store a move; return None when another one of the account is under way."""
    row = uow.connection.execute(
        "insert into payments.credit_moves (account_id, from_shard, to_shard, amount_minor, "
        "purpose, traceparent) values (%s, %s, %s, %s, %s, %s) "
        "on conflict (account_id) where state in ('REQUESTED', 'OUT', 'UNDOING') do nothing "
        f"returning {_COLUMNS}",
        (account_id, from_shard, to_shard, amount_minor, purpose, traceparent),
    ).fetchone()
    return None if row is None else _move(row)


def lock(uow: UnitOfWork, number: int) -> CreditMove:
    """Lock a move, so that nobody else takes it further meanwhile."""
    row = uow.connection.execute(
        f"select {_COLUMNS} from payments.credit_moves where number = %s for update".encode(),
        (number,),
    ).fetchone()
    assert row is not None
    return _move(row)


def set_state(uow: UnitOfWork, number: int, state: str, reason: str) -> None:
    uow.connection.execute(
        "update payments.credit_moves set state = %s, reason = %s, unanswered_at = null, "
        "updated_at = clock_timestamp() where number = %s",
        (state, reason, number),
    )


def note_unanswered(uow: UnitOfWork, number: int) -> None:
    """Note that a move's next command was sent, and may yet reach the engine."""
    uow.connection.execute(
        "update payments.credit_moves set unanswered_at = clock_timestamp() where number = %s",
        (number,),
    )


def under_way(uow: UnitOfWork, account_id: int | None = None, limit: int = 1_000) -> list[int]:
    """Return the numbers of unfinished moves, of one account or of all, oldest first."""
    rows = uow.connection.execute(
        "select number from payments.credit_moves "
        "where state in ('REQUESTED', 'OUT', 'UNDOING') "
        "and (%s::bigint is null or account_id = %s) order by number limit %s",
        (account_id, account_id, limit),
    )
    return [row[0] for row in rows]


def _move(row: tuple[Any, ...]) -> CreditMove:
    return CreditMove(*row)
