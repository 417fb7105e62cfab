"""The batch of a business date: netting what is due, choosing the next pass, rolling what fails."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from shared.domain.calendars import TradingCalendar, calendar
from shared.domain.settlement import FailureReason, NetPosition, Obligation, net
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

BATCH_CALENDAR: Final = "XNYS"  # whose evening the schedule in template.yaml follows
PAGE: Final = 200  # instructions in one map run: their input stays far below 256 KiB


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the state machine carries from one instruction to its tasks."""

    batch_id: str
    instruction_id: str
    account_id: int
    currency: str
    cash_minor: int


def business_date(text: str, now_ns: int) -> date | None:
    """Return the business date that a run is for, or None when that day is no session.

    `text` is an ISO date, "today" (at the venue), or "next": the first session from today on.
    """
    venue: TradingCalendar = calendar(BATCH_CALENDAR)
    today = venue.trade_date(now_ns)
    if text == "next":
        return venue.session_on_or_after(today)
    day = today if text == "today" else date.fromisoformat(text)
    return day if venue.is_session(day) else None


def open_batch(uow: UnitOfWork, batch_id: date) -> None:
    """Make the batch; a repeat is harmless."""
    uow.connection.execute(
        "insert into settlement.batches (batch_id) values (%s) on conflict do nothing", (batch_id,)
    )


def net_due(uow: UnitOfWork, instruments: Instruments, batch_id: date) -> int:
    """Net all obligations due by the batch's date into instructions; return how many were made.

    Obligations that came after an earlier run of the same date give further instructions.
    """
    _lock_batch(uow, batch_id)
    rows = uow.connection.execute(
        "select trade_id, side, account_id, order_id, instrument_id, currency, cash_minor, "
        "quantity_lots from settlement.obligations where state = 'OPEN' and due_date <= %s "
        "order by trade_id, side for update",
        (batch_id,),
    )
    positions = net(Obligation(*row) for row in rows)
    for position in positions:
        isin = instruments.by_id[position.instrument_id].isin
        _insert_instruction(uow, batch_id, isin, position)
    uow.connection.execute(
        "update settlement.obligations set state = 'NETTED' "
        "where state = 'OPEN' and due_date <= %s",
        (batch_id,),
    )
    return len(positions)


def next_pass(uow: UnitOfWork, instruments: Instruments, batch_id: date) -> list[Delivery]:
    """Return the next instructions to deliver; none when every one is settled or rolled.

    What lacked a balance waits until the others are through, and is tried again as long as a pass
    settled anything: cash that comes in from one instruction may pay for another. Each further pass
    needs one more settled instruction, so there are at most as many as instructions.
    """
    batch = _lock_batch(uow, batch_id)
    if not (found := _deliverable(uow, batch_id)):
        settled = _count_settled(uow, batch_id)
        if settled > batch:
            _retry_waiting(uow, batch_id, settled)
            found = _deliverable(uow, batch_id)
        if not found:
            _roll_waiting(uow, instruments, batch_id)
    return found


def finish(uow: UnitOfWork, batch_id: date) -> dict[str, int]:
    """Mark the batch done; return how many of its instructions are in which state."""
    uow.connection.execute(
        "update settlement.batches set state = 'DONE', done_at = now() "
        "where batch_id = %s and state <> 'DONE'",
        (batch_id,),
    )
    rows = uow.connection.execute(
        "select lower(state), count(*) from settlement.instructions where batch_id = %s "
        "group by state",
        (batch_id,),
    )
    return {state: int(count) for state, count in rows}


def _lock_batch(uow: UnitOfWork, batch_id: date) -> int:
    """Lock the batch; return how many of its instructions were settled when its pass began."""
    row = uow.connection.execute(
        "select settled_before_pass from settlement.batches where batch_id = %s for update",
        (batch_id,),
    ).fetchone()
    if row is None:
        raise LookupError(f"batch {batch_id} was not opened")
    return int(row[0])


def _insert_instruction(uow: UnitOfWork, batch_id: date, isin: str, position: NetPosition) -> None:
    row = uow.connection.execute(
        "insert into settlement.instructions (instruction_id, batch_id, account_id, instrument_id, "
        "isin, currency, cash_minor, quantity_lots, trace_id) "
        "select concat_ws('-', %(day)s::text, %(account)s::text, %(instrument)s::text, "
        "1 + count(*)), "
        "%(batch)s, %(account)s, %(instrument)s, %(isin)s, %(currency)s, %(cash)s, %(lots)s,"
        " (select trace_id from settlement.trades where trade_id = %(first_trade)s) "
        "from settlement.instructions where batch_id = %(batch)s and account_id = %(account)s "
        "and instrument_id = %(instrument)s returning instruction_number",
        {
            "day": f"{batch_id:%Y%m%d}",
            "batch": batch_id,
            "account": position.account_id,
            "instrument": position.instrument_id,
            "isin": isin,
            "currency": position.currency,
            "cash": position.cash_minor,
            "lots": position.quantity_lots,
            "first_trade": position.obligations[0].trade_id,
        },
    ).fetchone()
    assert row is not None
    uow.connection.execute(
        "insert into settlement.instruction_obligations (instruction_number, trade_id, side) "
        "select %s, * from unnest(%s::bigint[], %s::text[])",
        (
            row[0],
            [item.trade_id for item in position.obligations],
            [item.side for item in position.obligations],
        ),
    )
    uow.connection.execute(
        "update settlement.batches set state = 'OPEN' where batch_id = %s and state <> 'OPEN'",
        (batch_id,),
    )


def _deliverable(uow: UnitOfWork, batch_id: date) -> list[Delivery]:
    rows = uow.connection.execute(
        "select instruction_id, account_id, currency, cash_minor from settlement.instructions "
        "where batch_id = %s and state in ('NETTED', 'PREPARED') "
        "order by instruction_number limit %s",
        (batch_id, PAGE),
    )
    return [Delivery(batch_id.isoformat(), *row) for row in rows]


def _count_settled(uow: UnitOfWork, batch_id: date) -> int:
    row = uow.connection.execute(
        "select count(*) from settlement.instructions where batch_id = %s and state = 'SETTLED'",
        (batch_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _retry_waiting(uow: UnitOfWork, batch_id: date, settled: int) -> None:
    retried = uow.connection.execute(
        "update settlement.instructions set state = 'NETTED' "
        "where batch_id = %s and state = 'WAITING' and reason = %s",
        (batch_id, FailureReason.INSUFFICIENT_BALANCE),
    )
    if retried.rowcount == 0:
        return
    uow.connection.execute(
        "update settlement.batches set passes = passes + 1, settled_before_pass = %s "
        "where batch_id = %s",
        (settled, batch_id),
    )


def _roll_waiting(uow: UnitOfWork, instruments: Instruments, batch_id: date) -> None:
    """Give up what still waits: its obligations are due again on the instrument's next session."""
    rows = uow.connection.execute(
        "update settlement.instructions set state = 'ROLLED' "
        "where batch_id = %s and state = 'WAITING' returning instruction_number, instrument_id",
        (batch_id,),
    ).fetchall()
    for number, instrument_id in sorted(rows):
        venue = calendar(instruments.by_id[instrument_id].calendar)
        uow.connection.execute(
            "update settlement.obligations o set state = 'OPEN', due_date = %s "
            "from settlement.instruction_obligations i where i.instruction_number = %s "
            "and (o.trade_id, o.side) = (i.trade_id, i.side)",
            (venue.next_session(batch_id), number),
        )
        add_event(uow, number, "ROLLED")


def add_event(uow: UnitOfWork, instruction_number: int, event_type: str) -> None:
    """Store the event of an instruction's outcome, to be published after the batch."""
    uow.connection.execute(
        "insert into settlement.events_outbox (instruction_number, event_type, occurred_ns) "
        "values (%s, %s, %s) on conflict do nothing",
        (instruction_number, event_type, time.time_ns()),
    )


def as_items(deliveries: Sequence[Delivery]) -> list[dict[str, str | int]]:
    """Return deliveries as the state machine's map items."""
    return [
        {
            "batch_id": item.batch_id,
            "instruction_id": item.instruction_id,
            "account_id": item.account_id,
            "currency": item.currency,
            "cash_minor": item.cash_minor,
        }
        for item in deliveries
    ]
