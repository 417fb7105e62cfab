"""Deposits: a payment at the provider, credited in ledger and engine once it has succeeded."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from functions.payments import store
from functions.payments.engine_commands import OUTBOX, credit_id, send_pending
from functions.payments.store import Deposit
from shared.domain import records as r
from shared.domain.commands import MoveCash
from shared.ports.engine import Engine
from shared.ports.ledger import HOUSE, Entry, Ledger, LedgerAccount, Purpose, Transfer, member
from shared.ports.payments import (
    PaymentGateway,
    PaymentIntent,
    ProviderRefused,
    ProviderUnavailable,
)
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Deposits:
    """The use cases of deposits with what they stand on."""

    source: PoolSource
    gateway: PaymentGateway
    ledger: Callable[[UnitOfWork], Ledger]
    engine: Callable[[], Engine]

    def create(self, wanted: Deposit) -> Deposit:
        """Store a deposit, create its intent and confirm it; return how far it came.

        Each step is stored before the next, so any number of tries charges once: the intent is
        created under the deposit's id, and only an intent that is known to be unconfirmed is
        confirmed. The credit comes with the webhook, or with `resume`.
        """
        with UnitOfWork(self.source) as uow:
            deposit = store.add_deposit(uow, wanted)
            uow.commit()
        with suppress(ProviderUnavailable):  # `resume` asks for its state then
            if deposit.status == "CREATED":
                deposit = self._create_intent(deposit)
                self._confirm(deposit)
        return self._stored(deposit.deposit_id)

    def get(self, deposit_id: uuid.UUID, user_id: str) -> Deposit | None:
        """Return a user's own deposit."""
        with UnitOfWork(self.source) as uow:
            deposit = store.get_deposit(uow, deposit_id)
        return deposit if deposit is not None and deposit.user_id == user_id else None

    def on_intent_webhook(self, intent_id: str) -> str:
        """Fetch the intent that a webhook names and apply it; return the outcome.

        The webhook's own copy of the intent is not used: it may be late or out of order.
        """
        return self.apply_intent(self.gateway.fetch_intent(intent_id))

    def apply_intent(self, intent: PaymentIntent) -> str:
        """Bring a deposit to where its intent is; credit it once; return the deposit's status."""
        with UnitOfWork(self.source) as uow:
            deposit = self._locked(uow, intent)
            if deposit is None:
                return "unknown"
            if deposit.status in ("SUCCEEDED", "QUARANTINED"):
                return deposit.status.lower()
            status = self._apply(uow, deposit, intent)
            uow.commit()
        if status == "SUCCEEDED":
            send_pending(self.engine(), self.source, deposit.account_id)
        return status.lower()

    def resume(self, *, older_than_s: float = 10, limit: int = 50) -> int:
        """Ask the provider about deposits that stand still; return how many were looked at."""
        with UnitOfWork(self.source) as uow:
            waiting = store.open_deposits(uow, older_than_s=older_than_s, limit=limit)
            for deposit in waiting:
                store.touch_deposit(uow, deposit.deposit_id)
            uow.commit()
        for deposit in waiting:
            try:
                self._resume_one(deposit)
            except ProviderUnavailable:
                break
        return len(waiting)

    def _resume_one(self, deposit: Deposit) -> None:
        if deposit.intent_id is None:
            deposit = self._create_intent(deposit)
        if deposit.intent_id is None:
            return
        try:
            intent = self.gateway.fetch_intent(deposit.intent_id)
        except ProviderRefused as error:
            self._fail(deposit, error.code)
            return
        if intent.status == "requires_confirmation":
            self._confirm(deposit)
        else:
            self.apply_intent(intent)

    def _create_intent(self, deposit: Deposit) -> Deposit:
        """Create the intent, which moves no money yet, and keep its id."""
        try:
            intent = self.gateway.create_intent(
                amount_minor=deposit.amount_minor,
                currency=deposit.currency,
                reference=str(deposit.deposit_id),
                payment_method=deposit.payment_method,
            )
        except ProviderRefused as error:
            self._fail(deposit, error.code)
            return self._stored(deposit.deposit_id)
        with UnitOfWork(self.source) as uow:
            store.set_intent(uow, deposit.deposit_id, intent.intent_id)
            uow.commit()
        return self._stored(deposit.deposit_id)

    def _confirm(self, deposit: Deposit) -> None:
        if deposit.intent_id is None:
            return
        try:
            intent = self.gateway.confirm_intent(deposit.intent_id)
        except ProviderRefused:  # another try confirmed it: what became of it decides
            intent = self.gateway.fetch_intent(deposit.intent_id)
        if intent.status != "succeeded":
            self.apply_intent(intent)

    def _apply(self, uow: UnitOfWork, deposit: Deposit, intent: PaymentIntent) -> str:
        mismatch = _mismatch(deposit, intent)
        if mismatch:
            store.end_deposit(uow, deposit.deposit_id, "QUARANTINED", reason=mismatch)
            return "QUARANTINED"
        if intent.status == "succeeded":
            self._credit(uow, deposit)
            return "SUCCEEDED"
        if intent.status == "canceled" or intent.failure_code:
            reason = intent.failure_code or "canceled"
            store.end_deposit(uow, deposit.deposit_id, "FAILED", reason=reason)
            return "FAILED"
        return deposit.status

    def _credit(self, uow: UnitOfWork, deposit: Deposit) -> None:
        """Post the ledger transfer and queue the engine's deposit, in the same transaction."""
        asset, amount = deposit.currency, deposit.amount_minor
        provider = LedgerAccount(HOUSE, asset, Purpose.PROVIDER)
        settled = LedgerAccount(member(deposit.account_id), asset, Purpose.SETTLED)
        transfer = Transfer(
            kind="DEPOSIT",
            reference=str(deposit.deposit_id),
            entries=[Entry(provider, -amount), Entry(settled, amount)],
            trace_id=deposit.traceparent[3:35],
        )
        record = self.ledger(uow).post(transfer)
        store.end_deposit(uow, deposit.deposit_id, "SUCCEEDED", transfer_id=record.transfer_id)
        command_id = credit_id(record.transfer_id)
        command = MoveCash(r.DEPOSIT_CASH, command_id, deposit.account_id, amount)
        OUTBOX.enqueue(uow, command_id, command.words(), deposit.traceparent)

    def _locked(self, uow: UnitOfWork, intent: PaymentIntent) -> Deposit | None:
        """Return the intent's deposit, locked: by its id, or as the one that asked for it."""
        deposit_id = store.deposit_of_intent(uow, intent.intent_id)
        if deposit_id is not None:
            return store.get_deposit(uow, deposit_id, lock=True)
        try:
            deposit_id = uuid.UUID(intent.reference)
        except ValueError:
            return None
        deposit = store.get_deposit(uow, deposit_id, lock=True)
        if deposit is None or deposit.intent_id not in (None, intent.intent_id):
            return None  # a second intent for the same deposit is not ours to credit
        store.set_intent(uow, deposit_id, intent.intent_id)
        return deposit

    def _fail(self, deposit: Deposit, reason: str) -> None:
        with UnitOfWork(self.source) as uow:
            current = store.get_deposit(uow, deposit.deposit_id, lock=True)
            if current is not None and current.status in ("CREATED", "PROCESSING"):
                store.end_deposit(uow, deposit.deposit_id, "FAILED", reason=reason)
            uow.commit()

    def _stored(self, deposit_id: uuid.UUID) -> Deposit:
        with UnitOfWork(self.source) as uow:
            deposit = store.get_deposit(uow, deposit_id)
        assert deposit is not None
        return deposit


def _mismatch(deposit: Deposit, intent: PaymentIntent) -> str:
    """Return in what the provider's intent differs from what was asked for; empty for nothing."""
    if intent.amount_minor != deposit.amount_minor:
        return "amount_differs"
    if intent.currency != deposit.currency:
        return "currency_differs"
    if intent.reference != str(deposit.deposit_id):
        return "reference_differs"
    return ""
