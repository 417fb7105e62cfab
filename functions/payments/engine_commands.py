"""The payments service's commands to the engine: their ids, their outbox, and its answers."""

from typing import Final

from functions.payments import store
from shared.domain import records as r
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.ports.engine import Engine
from shared.postgres.outbox import Answer, Outbox, SendReport
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

OUTBOX: Final = Outbox("payments")

# The numbers of SOURCE_LEDGER: four for each ledger transfer; above, four for each withdrawal,
# whose hold comes before its transfer.
_PER_TRANSFER: Final = 4
_PER_WITHDRAWAL: Final = 4
_WITHDRAWALS: Final = 1 << 55
_STEPS: Final = {r.HOLD_WITHDRAWAL: 0, r.CONFIRM_WITHDRAWAL: 1, r.RELEASE_WITHDRAWAL: 2}


def credit_id(transfer_id: int) -> int:
    """Return the id of the command that tells the engine of a ledger transfer."""
    return administrative_id(SOURCE_LEDGER, transfer_id * _PER_TRANSFER)


def withdrawal_command_id(number: int, kind: int) -> int:
    """Return the id of a withdrawal's command; a hold's id also names the hold."""
    return administrative_id(SOURCE_LEDGER, _WITHDRAWALS | number * _PER_WITHDRAWAL | _STEPS[kind])


def send_pending(engine: Engine, source: PoolSource, account_id: int | None = None) -> SendReport:
    """Send what waits, of one account or of all, and store what the engine says to holds."""
    return OUTBOX.send_pending(engine, source, account_id=account_id, on_answer=_on_answer)


def _on_answer(uow: UnitOfWork, answer: Answer) -> None:
    if answer.kind != r.HOLD_WITHDRAWAL:
        return
    number = (answer.command_id & (_WITHDRAWALS - 1)) // _PER_WITHDRAWAL
    withdrawal = store.withdrawal_of_number(uow, number, lock=True)
    if withdrawal is None or withdrawal.status != "REQUESTED":
        return
    if answer.reject_code is None:
        store.set_withdrawal(uow, withdrawal.withdrawal_id, "HELD")
    else:
        reason = answer.reject_code.name.lower()
        store.set_withdrawal(uow, withdrawal.withdrawal_id, "REFUSED", reason=reason)
