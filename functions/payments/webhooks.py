"""What a genuine webhook of the payment provider leads to."""

from functions.payments import store
from functions.payments.answers import WebhookEvent
from functions.payments.deposits import Deposits
from functions.payments.withdrawals import Withdrawals
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork


def apply_webhook(
    source: PoolSource, deposits: Deposits, withdrawals: Withdrawals, event: WebhookEvent
) -> str:
    """Ask the provider for the object that changed, apply it, record the event; return the outcome.

    Repeats and any order are harmless: only the object's present state counts.
    """
    if event.type.startswith("payment_intent."):
        outcome = deposits.on_intent_webhook(event.object_id)
    elif event.type.startswith("payout."):
        outcome = withdrawals.on_payout_webhook(event.object_id)
    else:
        outcome = "ignored"
    with UnitOfWork(source) as uow:
        store.record_webhook(uow, event.event_id, event.type, event.object_id, outcome)
        uow.commit()
    return outcome
