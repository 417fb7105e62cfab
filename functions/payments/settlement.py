"""Payments of settlement batches: each instruction's cash leg, confirmed once."""

from typing import Literal

from functions.payments import store
from functions.payments.models import SettlementPayment
from shared.domain.money import CURRENCIES
from shared.ports.ledger import member
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

Outcome = Literal["CONFIRMED", "REFUSED"]


def confirm_payment(source: PoolSource, payment: SettlementPayment) -> dict[str, str]:
    """Confirm the cash leg of an instruction; return its outcome and the reason of a refusal.

    The cash of a member lies with the clearing house, so paying is a book transfer: it is confirmed
    when the ledger's transfer gives this member exactly this cash. Confirming twice is confirming
    once; a refused payment may be tried again with the instruction's next transfer.
    """
    with UnitOfWork(source) as uow:
        stored = store.lock_settlement_payment(uow, payment.instruction_id)
        if stored is not None and stored.outcome == "CONFIRMED":
            terms = (stored.account_id, stored.currency, stored.cash_minor)
            if terms == (payment.account_id, payment.currency, payment.cash_minor):
                return {"outcome": "CONFIRMED", "reason": ""}
            return {"outcome": "REFUSED", "reason": "confirmed_with_other_terms"}
        reason = _fault(uow, payment)
        outcome: Outcome = "REFUSED" if reason else "CONFIRMED"
        store.save_settlement_payment(uow, payment, outcome, reason)
        uow.commit()
    return {"outcome": outcome, "reason": reason}


def _fault(uow: UnitOfWork, payment: SettlementPayment) -> str:
    """Return why the payment cannot be confirmed; empty when it can."""
    if payment.currency not in CURRENCIES:
        return "unknown_currency"
    moved_minor = 0
    if payment.transfer_id is not None:
        owner = member(payment.account_id)
        moved_minor = store.cash_of_transfer(uow, payment.transfer_id, owner, payment.currency)
    return "" if moved_minor == payment.cash_minor else "ledger_differs"
