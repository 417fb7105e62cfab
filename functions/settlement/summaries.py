"""What operators see of the ledger and of a batch."""

from datetime import date
from typing import Any, Final

from shared.ports.ledger import member
from shared.postgres.ledger import PostgresLedger
from shared.postgres.unit_of_work import UnitOfWork

MAX_INSTRUCTIONS: Final = 500
_INSTRUCTION_FIELDS: Final = (
    "instruction_id",
    "account_id",
    "isin",
    "currency",
    "cash_minor",
    "quantity_lots",
    "state",
    "reason",
    "payment_outcome",
)
_BREAK_FIELDS: Final = ("kind", "account_id", "subject", "expected", "found")


def balances(uow: UnitOfWork, account_id: int) -> list[dict[str, Any]]:
    """Return the posted balances of a trading account: minor units, or lots."""
    found = PostgresLedger(uow.connection).balances_of(member(account_id))
    return [
        {"asset": account.asset, "purpose": account.purpose.value, "amount": amount}
        for account, amount in sorted(
            found.items(), key=lambda item: (item[0].asset, item[0].purpose)
        )
    ]


def batch(uow: UnitOfWork, batch_id: date) -> dict[str, Any] | None:
    """Return a batch with its instructions and its last reconciliation; None if there is none."""
    row = uow.connection.execute(
        "select state, opened_at, done_at from settlement.batches where batch_id = %s",
        (batch_id,),
    ).fetchone()
    if row is None:
        return None
    instructions = uow.connection.execute(
        f"select {', '.join(_INSTRUCTION_FIELDS)} from settlement.instructions "
        "where batch_id = %s order by instruction_number limit %s",
        (batch_id, MAX_INSTRUCTIONS),
    ).fetchall()
    breaks = uow.connection.execute(
        f"select {', '.join(_BREAK_FIELDS)} from settlement.breaks where reconciliation_id = "
        "(select max(reconciliation_id) from settlement.reconciliations where batch_id = %s) "
        "order by kind, account_id, subject limit %s",
        (batch_id, MAX_INSTRUCTIONS),
    ).fetchall()
    return {
        "batch_id": batch_id.isoformat(),
        "state": row[0],
        "opened_at": row[1].isoformat(),
        "done_at": None if row[2] is None else row[2].isoformat(),
        "instructions": [
            dict(zip(_INSTRUCTION_FIELDS, item, strict=True)) for item in instructions
        ],
        "breaks": [dict(zip(_BREAK_FIELDS, item, strict=True)) for item in breaks],
    }
