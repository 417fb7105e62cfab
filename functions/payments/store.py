"""The payments service's tables."""

import uuid
from dataclasses import dataclass

from functions.payments.models import SettlementPayment
from shared.postgres.unit_of_work import UnitOfWork

_DEPOSIT = (
    "deposit_id, user_id, account_id, amount_minor, currency, payment_method, traceparent, "
    "intent_id, status, reason, transfer_id"
)
_WITHDRAWAL = (
    "withdrawal_id, user_id, account_id, amount_minor, currency, traceparent, number, status, "
    "reason, transfer_id, payout_id, extract(epoch from created_at)::bigint"
)


@dataclass(frozen=True, slots=True)
class Deposit:
    deposit_id: uuid.UUID
    user_id: str
    account_id: int
    amount_minor: int
    currency: str
    payment_method: str
    traceparent: str
    intent_id: str | None = None
    status: str = "CREATED"
    reason: str = ""
    transfer_id: int | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    withdrawal_id: uuid.UUID
    user_id: str
    account_id: int
    amount_minor: int
    currency: str
    traceparent: str
    number: int = 0  # given by the database
    status: str = "REQUESTED"
    reason: str = ""
    transfer_id: int | None = None
    payout_id: str | None = None
    created_s: int = 0


# --- deposits ------------------------------------------------------------------------------------


def add_deposit(uow: UnitOfWork, deposit: Deposit) -> Deposit:
    """Store a deposit once; return the stored one."""
    uow.connection.execute(
        "insert into payments.deposits (deposit_id, user_id, account_id, amount_minor, currency, "
        "payment_method, traceparent) values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            deposit.deposit_id,
            deposit.user_id,
            deposit.account_id,
            deposit.amount_minor,
            deposit.currency,
            deposit.payment_method,
            deposit.traceparent,
        ),
    )
    stored = get_deposit(uow, deposit.deposit_id)
    assert stored is not None
    return stored


def get_deposit(uow: UnitOfWork, deposit_id: uuid.UUID, *, lock: bool = False) -> Deposit | None:
    row = uow.connection.execute(
        f"select {_DEPOSIT} from payments.deposits where deposit_id = %s"
        + (" for update" if lock else ""),
        (deposit_id,),
    ).fetchone()
    return None if row is None else Deposit(*row)


def deposit_of_intent(uow: UnitOfWork, intent_id: str) -> uuid.UUID | None:
    row = uow.connection.execute(
        "select deposit_id from payments.deposits where intent_id = %s", (intent_id,)
    ).fetchone()
    return None if row is None else row[0]


def set_intent(uow: UnitOfWork, deposit_id: uuid.UUID, intent_id: str) -> None:
    """Keep the provider's name of a deposit's intent, unless there is one."""
    uow.connection.execute(
        "update payments.deposits set intent_id = coalesce(intent_id, %s), "
        "status = case status when 'CREATED' then 'PROCESSING' else status end, "
        "updated_at = clock_timestamp() where deposit_id = %s",
        (intent_id, deposit_id),
    )


def end_deposit(
    uow: UnitOfWork,
    deposit_id: uuid.UUID,
    status: str,
    *,
    reason: str = "",
    transfer_id: int | None = None,
) -> None:
    uow.connection.execute(
        "update payments.deposits set status = %s, reason = %s, transfer_id = %s, "
        "updated_at = clock_timestamp() where deposit_id = %s",
        (status, reason[:200], transfer_id, deposit_id),
    )


def open_deposits(uow: UnitOfWork, *, older_than_s: float, limit: int) -> list[Deposit]:
    """Return deposits without an outcome, those looked at longest ago first."""
    rows = uow.connection.execute(
        f"select {_DEPOSIT} from payments.deposits where status in ('CREATED', 'PROCESSING') "
        "and updated_at < clock_timestamp() - make_interval(secs => %s) "
        "order by updated_at limit %s",
        (older_than_s, limit),
    )
    return [Deposit(*row) for row in rows]


def touch_deposit(uow: UnitOfWork, deposit_id: uuid.UUID) -> None:
    """Put a deposit at the end of the queue of the open ones."""
    uow.connection.execute(
        "update payments.deposits set updated_at = clock_timestamp() where deposit_id = %s",
        (deposit_id,),
    )


# --- withdrawals ---------------------------------------------------------------------------------


def add_withdrawal(uow: UnitOfWork, withdrawal: Withdrawal) -> Withdrawal:
    """Store a withdrawal once; return the stored one."""
    uow.connection.execute(
        "insert into payments.withdrawals (withdrawal_id, user_id, account_id, amount_minor, "
        "currency, traceparent) values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            withdrawal.withdrawal_id,
            withdrawal.user_id,
            withdrawal.account_id,
            withdrawal.amount_minor,
            withdrawal.currency,
            withdrawal.traceparent,
        ),
    )
    stored = get_withdrawal(uow, withdrawal.withdrawal_id)
    assert stored is not None
    return stored


def get_withdrawal(
    uow: UnitOfWork, withdrawal_id: uuid.UUID, *, lock: bool = False
) -> Withdrawal | None:
    return _withdrawal(uow, "withdrawal_id = %s", withdrawal_id, lock=lock)


def withdrawal_of_number(uow: UnitOfWork, number: int, *, lock: bool = False) -> Withdrawal | None:
    return _withdrawal(uow, "number = %s", number, lock=lock)


def _withdrawal(uow: UnitOfWork, condition: str, value: object, *, lock: bool) -> Withdrawal | None:
    row = uow.connection.execute(
        f"select {_WITHDRAWAL} from payments.withdrawals where {condition}"
        + (" for update" if lock else ""),
        (value,),
    ).fetchone()
    return None if row is None else Withdrawal(*row)


def set_withdrawal(
    uow: UnitOfWork,
    withdrawal_id: uuid.UUID,
    status: str,
    *,
    reason: str = "",
    transfer_id: int | None = None,
    payout_id: str | None = None,
) -> None:
    """Set the status and the reason; ids that are given are kept, those that are not stay."""
    uow.connection.execute(
        "update payments.withdrawals set status = %s, reason = %s, "
        "transfer_id = coalesce(%s, transfer_id), payout_id = coalesce(%s, payout_id), "
        "updated_at = clock_timestamp() where withdrawal_id = %s",
        (status, reason[:200], transfer_id, payout_id, withdrawal_id),
    )


def open_withdrawals(uow: UnitOfWork, *, older_than_s: float, limit: int) -> list[Withdrawal]:
    """Return withdrawals without an outcome, those that changed longest ago first."""
    rows = uow.connection.execute(
        f"select {_WITHDRAWAL} from payments.withdrawals "
        "where status in ('REQUESTED', 'HELD', 'PAYING', 'SUBMITTED') "
        "and updated_at < clock_timestamp() - make_interval(secs => %s) "
        "order by updated_at limit %s",
        (older_than_s, limit),
    )
    return [Withdrawal(*row) for row in rows]


def touch_withdrawal(uow: UnitOfWork, withdrawal_id: uuid.UUID) -> None:
    """Put a withdrawal at the end of the queue of the open ones."""
    uow.connection.execute(
        "update payments.withdrawals set updated_at = clock_timestamp() where withdrawal_id = %s",
        (withdrawal_id,),
    )


# --- the provider's webhooks ---------------------------------------------------------------------


def record_webhook(
    uow: UnitOfWork, event_id: str, event_type: str, object_id: str, outcome: str
) -> None:
    """Keep what a webhook said and what came of it; a repeat is counted."""
    uow.connection.execute(
        "insert into payments.webhook_events (event_id, type, object_id, outcome) "
        "values (%s, %s, %s, %s) on conflict (event_id) do update set "
        "deliveries = payments.webhook_events.deliveries + 1, "
        "last_received_at = clock_timestamp()",
        (event_id, event_type, object_id, outcome),
    )


# --- settlement ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredPayment:
    account_id: int
    currency: str
    cash_minor: int
    outcome: str


def lock_settlement_payment(uow: UnitOfWork, instruction_id: str) -> StoredPayment | None:
    row = uow.connection.execute(
        "select account_id, currency, cash_minor, outcome from payments.settlement_payments "
        "where instruction_id = %s for update",
        (instruction_id,),
    ).fetchone()
    return None if row is None else StoredPayment(*row)


def save_settlement_payment(
    uow: UnitOfWork, payment: SettlementPayment, outcome: str, reason: str
) -> None:
    """Store what became of an instruction's payment; a confirmed one never changes."""
    uow.connection.execute(
        "insert into payments.settlement_payments as p (instruction_id, batch_id, account_id, "
        "currency, cash_minor, transfer_id, outcome, reason) values (%s, %s, %s, %s, %s, %s, %s, "
        "%s) on conflict (instruction_id) do update set batch_id = excluded.batch_id, "
        "transfer_id = excluded.transfer_id, outcome = excluded.outcome, "
        "reason = excluded.reason where p.outcome = 'REFUSED'",
        (
            payment.instruction_id,
            payment.batch_id,
            payment.account_id,
            payment.currency,
            payment.cash_minor,
            payment.transfer_id,
            outcome,
            reason,
        ),
    )


def cash_of_transfer(uow: UnitOfWork, transfer_id: int, owner: str, currency: str) -> int:
    """Return what a ledger transfer gives to an owner's settled cash, signed."""
    row = uow.connection.execute(
        "select coalesce(sum(e.amount), 0) from ledger.entries e "
        "join ledger.accounts a using (account_id) where e.transfer_id = %s and a.owner = %s "
        "and a.asset = %s and a.purpose = 'SETTLED'",
        (transfer_id, owner, currency),
    ).fetchone()
    assert row is not None
    return int(row[0])
