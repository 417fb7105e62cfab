"""Delivery versus payment of one instruction: prepare both legs, then post both or neither."""

from dataclasses import dataclass

from functions.settlement.batch import add_event
from shared.domain.commands import Settle
from shared.domain.ids import SOURCE_SETTLEMENT, administrative_id
from shared.domain.settlement import FailureReason, InstructionState
from shared.ports.ledger import (
    HOUSE,
    Entry,
    InsufficientBalance,
    LedgerAccount,
    Purpose,
    Transfer,
    member,
)
from shared.postgres.ledger import PostgresLedger
from shared.postgres.outbox import Outbox
from shared.postgres.unit_of_work import UnitOfWork

ENGINE_OUTBOX = Outbox("settlement")
TRANSFER_KIND = "SETTLEMENT"


@dataclass(frozen=True, slots=True)
class Instruction:
    number: int
    instruction_id: str
    account_id: int
    instrument_id: int
    isin: str
    currency: str
    cash_minor: int
    quantity_lots: int
    state: InstructionState
    attempts: int
    transfer_id: int | None
    trace_id: str


def prepare(uow: UnitOfWork, instruction_id: str) -> dict[str, str | int | None]:
    """Set both legs aside in the ledger, in one transfer through the clearing house.

    Returns the outcome: the instruction's state, and the transfer's id.
    """
    instruction = _lock(uow, instruction_id)
    if instruction.state is not InstructionState.NETTED:
        return {"outcome": instruction.state.value, "transfer_id": instruction.transfer_id}
    attempt = instruction.attempts + 1
    transfer_id: int | None = None
    try:
        if entries := _legs(instruction):
            reference = f"{instruction_id}/{attempt}"
            transfer = Transfer(TRANSFER_KIND, reference, entries, instruction.trace_id)
            transfer_id = PostgresLedger(uow.connection).prepare(transfer).transfer_id
    except InsufficientBalance:
        _refused(uow, instruction, FailureReason.INSUFFICIENT_BALANCE)
        return {"outcome": InstructionState.WAITING.value, "transfer_id": None}
    uow.connection.execute(
        "update settlement.instructions set state = 'PREPARED', reason = '', attempts = %s, "
        "transfer_id = %s where instruction_number = %s",
        (attempt, transfer_id, instruction.number),
    )
    return {"outcome": InstructionState.PREPARED.value, "transfer_id": transfer_id}


def deliver(
    uow: UnitOfWork, instruction_id: str, payment_outcome: str, traceparent: str
) -> dict[str, str | int]:
    """Post both legs; tell the engine and the event stream with the same commit."""
    instruction = _lock(uow, instruction_id)
    if instruction.state is InstructionState.PREPARED:
        if instruction.transfer_id is not None:
            PostgresLedger(uow.connection).complete(instruction.transfer_id)
            _enqueue_settle(uow, instruction, traceparent)
        uow.connection.execute(
            "update settlement.instructions set state = 'SETTLED', settled_at = now(), "
            "payment_outcome = %s where instruction_number = %s",
            (payment_outcome, instruction.number),
        )
        uow.connection.execute(
            "update settlement.obligations o set state = 'SETTLED' "
            "from settlement.instruction_obligations i where i.instruction_number = %s "
            "and (o.trade_id, o.side) = (i.trade_id, i.side)",
            (instruction.number,),
        )
        add_event(uow, instruction.number, "SETTLED")
        return {"outcome": InstructionState.SETTLED.value, "account_id": instruction.account_id}
    return {"outcome": instruction.state.value, "account_id": instruction.account_id}


def refuse(uow: UnitOfWork, instruction_id: str) -> dict[str, str]:
    """Give both legs back, since the payment was refused."""
    instruction = _lock(uow, instruction_id)
    if instruction.state is InstructionState.PREPARED:
        if instruction.transfer_id is not None:
            PostgresLedger(uow.connection).void(instruction.transfer_id)
        _refused(uow, instruction, FailureReason.PAYMENT_REFUSED)
        return {"outcome": InstructionState.WAITING.value}
    return {"outcome": instruction.state.value}


def _lock(uow: UnitOfWork, instruction_id: str) -> Instruction:
    row = uow.connection.execute(
        "select instruction_number, instruction_id, account_id, instrument_id, isin, currency, "
        "cash_minor, quantity_lots, state, attempts, transfer_id, trace_id "
        "from settlement.instructions where instruction_id = %s for update",
        (instruction_id,),
    ).fetchone()
    if row is None:
        raise LookupError(f"there is no instruction {instruction_id}")
    return Instruction(
        number=row[0],
        instruction_id=row[1],
        account_id=row[2],
        instrument_id=row[3],
        isin=row[4],
        currency=row[5],
        cash_minor=row[6],
        quantity_lots=row[7],
        state=InstructionState(row[8]),
        attempts=row[9],
        transfer_id=row[10],
        trace_id=row[11],
    )


def _legs(instruction: Instruction) -> list[Entry]:
    """Return the cash leg and the securities leg; a leg that nets to zero has no entries."""
    owner = member(instruction.account_id)
    legs: list[Entry] = []
    for asset, amount in (
        (instruction.currency, instruction.cash_minor),
        (instruction.isin, instruction.quantity_lots),
    ):
        if amount != 0:
            legs.append(Entry(LedgerAccount(owner, asset, Purpose.SETTLED), amount))
            legs.append(Entry(LedgerAccount(HOUSE, asset, Purpose.CLEARING), -amount))
    return legs


def _refused(uow: UnitOfWork, instruction: Instruction, reason: FailureReason) -> None:
    uow.connection.execute(
        "update settlement.instructions set state = 'WAITING', reason = %s "
        "where instruction_number = %s",
        (reason.value, instruction.number),
    )


def _enqueue_settle(uow: UnitOfWork, instruction: Instruction, traceparent: str) -> None:
    command = Settle(
        command_id=administrative_id(SOURCE_SETTLEMENT, instruction.number),
        account_id=instruction.account_id,
        instrument_id=instruction.instrument_id,
        cash_minor=instruction.cash_minor,
        quantity_lots=instruction.quantity_lots,
    )
    ENGINE_OUTBOX.enqueue(uow, command.command_id, command.words(), traceparent)
