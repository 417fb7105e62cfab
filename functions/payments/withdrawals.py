"""Withdrawals: held in the engine, reserved in the ledger, paid out, then confirmed or released.

    REQUESTED -> HELD -> PAYING -> SUBMITTED -> PAID
         |         |        |          |
      REFUSED   REFUSED   FAILED     FAILED     (what was held and reserved is given back)

Every step is one transaction, or one call of a provider whose outcome the next one stores.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from functions.payments import store
from functions.payments.credit_lines import CreditLines
from functions.payments.engine_commands import OUTBOX, send_pending, withdrawal_command_id
from functions.payments.store import Withdrawal
from shared.domain import records as r
from shared.domain.commands import MoveCash
from shared.ports.engine import Engine
from shared.ports.ledger import (
    HOUSE,
    Entry,
    InsufficientBalance,
    Ledger,
    LedgerAccount,
    Purpose,
    Transfer,
    member,
)
from shared.ports.payments import PaymentGateway, Payout, ProviderRefused, ProviderUnavailable
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

_MAX_STEPS: Final = 4
_CLOCK_SLACK_S: Final = 300


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """The use cases of withdrawals with what they stand on."""

    source: PoolSource
    gateway: PaymentGateway
    ledger: Callable[[UnitOfWork], Ledger]
    engine: Callable[[], Engine]
    credit: CreditLines | None = None  # with several engines

    def request(self, wanted: Withdrawal) -> Withdrawal:
        """Store a withdrawal, and take it as far as it goes now."""
        with UnitOfWork(self.source) as uow:
            withdrawal = store.add_withdrawal(uow, wanted)
            uow.commit()
        return self.advance(withdrawal.withdrawal_id, is_first_try=True)

    def get(self, withdrawal_id: uuid.UUID, user_id: str) -> Withdrawal | None:
        """Return a user's own withdrawal."""
        with UnitOfWork(self.source) as uow:
            found = store.get_withdrawal(uow, withdrawal_id)
        return found if found is not None and found.user_id == user_id else None

    def advance(self, withdrawal_id: uuid.UUID, *, is_first_try: bool = False) -> Withdrawal:
        """Take a withdrawal through every step that can be done now."""
        withdrawal = self._stored(withdrawal_id)
        for _ in range(_MAX_STEPS):
            before = withdrawal.status
            try:
                self._step(withdrawal, is_first_try)
            except ProviderUnavailable:
                return self._stored(withdrawal_id)
            withdrawal = self._stored(withdrawal_id)
            if withdrawal.status == before:
                break
        return withdrawal

    def resume(self, *, older_than_s: float = 10, limit: int = 50) -> int:
        """Go on with withdrawals that stand still; return how many were looked at."""
        with UnitOfWork(self.source) as uow:
            waiting = store.open_withdrawals(uow, older_than_s=older_than_s, limit=limit)
            for withdrawal in waiting:
                store.touch_withdrawal(uow, withdrawal.withdrawal_id)
            uow.commit()
        for withdrawal in waiting:
            self.advance(withdrawal.withdrawal_id)
        return len(waiting)

    def on_payout_webhook(self, payout_id: str) -> str:
        """Fetch the payout that a webhook names and apply it; return the outcome."""
        return self.apply_payout(self.gateway.fetch_payout(payout_id))

    def apply_payout(self, payout: Payout) -> str:
        """Bring a withdrawal to where its payout is; return the withdrawal's status."""
        try:
            withdrawal_id = uuid.UUID(payout.reference)
        except ValueError:
            return "unknown"
        with UnitOfWork(self.source) as uow:
            withdrawal = store.get_withdrawal(uow, withdrawal_id, lock=True)
            if withdrawal is None or withdrawal.payout_id not in (None, payout.payout_id):
                return "unknown"
            if withdrawal.status not in ("PAYING", "SUBMITTED"):
                return withdrawal.status.lower()
            status = self._apply(uow, withdrawal, payout)
            uow.commit()
        send_pending(self.engine(), self.source, withdrawal.account_id)
        return status.lower()

    # --- steps -----------------------------------------------------------------------------------

    def _step(self, withdrawal: Withdrawal, is_first_try: bool) -> None:
        if withdrawal.status == "REQUESTED":
            self._hold(withdrawal)
        elif withdrawal.status == "HELD":
            self._reserve(withdrawal.withdrawal_id)
        elif withdrawal.status == "PAYING":
            self._pay_out(withdrawal, is_first_try)
        elif withdrawal.status == "SUBMITTED" and not is_first_try:
            assert withdrawal.payout_id is not None
            self.apply_payout(self.gateway.fetch_payout(withdrawal.payout_id))

    def _hold(self, withdrawal: Withdrawal) -> None:
        """Have the amount held at the account's home, once credit is gathered there.

        Only then does the hold go to the outbox: whoever sends the outbox meanwhile would have it
        refused for want of what is on its way. Where it cannot be gathered now, the withdrawal
        waits and is taken up again.
        """
        account_id, trace = withdrawal.account_id, withdrawal.traceparent
        if self.credit is not None and not self.credit.bring_home(
            account_id, withdrawal.amount_minor, trace
        ):
            return
        with UnitOfWork(self.source) as uow:
            self._enqueue(uow, withdrawal, r.HOLD_WITHDRAWAL)
            uow.commit()
        send_pending(self.engine(), self.source, account_id)

    def _reserve(self, withdrawal_id: uuid.UUID) -> None:
        """Reserve the amount in the ledger; without settled cash, give the hold back."""
        with UnitOfWork(self.source) as uow:
            withdrawal = store.get_withdrawal(uow, withdrawal_id, lock=True)
            if withdrawal is None or withdrawal.status != "HELD":
                return
            try:
                record = self.ledger(uow).prepare(_transfer(withdrawal))
            except InsufficientBalance:
                self._enqueue(uow, withdrawal, r.RELEASE_WITHDRAWAL)
                reason = "insufficient_settled_funds"
                store.set_withdrawal(uow, withdrawal_id, "REFUSED", reason=reason)
            else:
                store.set_withdrawal(uow, withdrawal_id, "PAYING", transfer_id=record.transfer_id)
            uow.commit()
        send_pending(self.engine(), self.source, withdrawal.account_id)

    def _pay_out(self, withdrawal: Withdrawal, is_first_try: bool) -> None:
        """Create the payout; when an earlier try's outcome is unknown, look for it first."""
        reference = str(withdrawal.withdrawal_id)
        payout: Payout | None = None
        if not is_first_try:
            not_before_s = withdrawal.created_s - _CLOCK_SLACK_S
            payout = self.gateway.find_payout(reference, not_before_s=not_before_s)
        try:
            payout = payout or self.gateway.create_payout(
                amount_minor=withdrawal.amount_minor,
                currency=withdrawal.currency,
                reference=reference,
            )
        except ProviderRefused as error:
            refused = Payout(
                "", "failed", withdrawal.amount_minor, withdrawal.currency, reference, error.code
            )
            self.apply_payout(refused)
            return
        self.apply_payout(payout)

    def _apply(self, uow: UnitOfWork, withdrawal: Withdrawal, payout: Payout) -> str:
        assert withdrawal.transfer_id is not None
        payout_id = payout.payout_id or None
        if payout.status == "paid":
            self.ledger(uow).complete(withdrawal.transfer_id)
            self._enqueue(uow, withdrawal, r.CONFIRM_WITHDRAWAL)
            store.set_withdrawal(uow, withdrawal.withdrawal_id, "PAID", payout_id=payout_id)
            return "PAID"
        if payout.status in ("failed", "canceled"):
            self.ledger(uow).void(withdrawal.transfer_id)
            self._enqueue(uow, withdrawal, r.RELEASE_WITHDRAWAL)
            reason = payout.failure_code or payout.status
            store.set_withdrawal(
                uow, withdrawal.withdrawal_id, "FAILED", reason=reason, payout_id=payout_id
            )
            return "FAILED"
        store.set_withdrawal(uow, withdrawal.withdrawal_id, "SUBMITTED", payout_id=payout_id)
        return "SUBMITTED"

    def _enqueue(self, uow: UnitOfWork, withdrawal: Withdrawal, kind: int) -> None:
        is_hold = kind == r.HOLD_WITHDRAWAL
        command = MoveCash(
            kind,
            withdrawal_command_id(withdrawal.number, kind),
            withdrawal.account_id,
            amount_minor=withdrawal.amount_minor if is_hold else 0,
            hold_id=0 if is_hold else withdrawal_command_id(withdrawal.number, r.HOLD_WITHDRAWAL),
        )
        OUTBOX.enqueue(uow, command.command_id, command.words(), withdrawal.traceparent)

    def _stored(self, withdrawal_id: uuid.UUID) -> Withdrawal:
        with UnitOfWork(self.source) as uow:
            withdrawal = store.get_withdrawal(uow, withdrawal_id)
        assert withdrawal is not None
        return withdrawal


def _transfer(withdrawal: Withdrawal) -> Transfer:
    asset = withdrawal.currency
    settled = LedgerAccount(member(withdrawal.account_id), asset, Purpose.SETTLED)
    provider = LedgerAccount(HOUSE, asset, Purpose.PROVIDER)
    return Transfer(
        kind="WITHDRAWAL",
        reference=str(withdrawal.withdrawal_id),
        entries=[
            Entry(settled, -withdrawal.amount_minor),
            Entry(provider, withdrawal.amount_minor),
        ],
        trace_id=withdrawal.traceparent[3:35],
    )
