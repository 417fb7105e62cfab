"""What a report is made of: the rows that settlement shows to reporting, as values."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from shared.postgres.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a trade; the instruction is the one that settled it, empty until then."""

    account_id: int
    order_id: int
    instruction_id: str
    settled_on: date | None


@dataclass(frozen=True, slots=True)
class TradeRow:
    trade_id: int
    executed_ns: int
    instrument_id: int
    isin: str
    currency: str
    price_ticks: int
    quantity_lots: int
    notional_minor: int
    aggressor_side: str
    trade_date: date
    settlement_date: date
    trace_id: str
    buy: Side
    sell: Side


@dataclass(frozen=True, slots=True)
class BreakRow:
    batch_id: date
    accounts: int
    kind: str
    account_id: int
    subject: str
    expected: str
    found: str


def read_trades(uow: UnitOfWork, after: date, until: date) -> list[TradeRow]:
    """Return the trades whose venue date lies in (after, until], by time and id."""
    rows = uow.connection.execute(
        "select trade_id, executed_ns, instrument_id, isin, currency, price_ticks, quantity_lots, "
        "notional_minor, aggressor_side, trade_date, settlement_date, trace_id, "
        "buy_account_id, buy_order_id, coalesce(buy_instruction_id, ''), buy_settled_on, "
        "sell_account_id, sell_order_id, coalesce(sell_instruction_id, ''), sell_settled_on "
        "from reporting.trades where trade_date > %s and trade_date <= %s "
        "order by executed_ns, trade_id",
        (after, until),
    )
    return [_trade(row) for row in rows]


def _trade(row: tuple[Any, ...]) -> TradeRow:
    return TradeRow(
        trade_id=row[0],
        executed_ns=row[1],
        instrument_id=row[2],
        isin=row[3],
        currency=row[4],
        price_ticks=row[5],
        quantity_lots=row[6],
        notional_minor=row[7],
        aggressor_side=row[8],
        trade_date=row[9],
        settlement_date=row[10],
        trace_id=row[11],
        buy=Side(*row[12:16]),
        sell=Side(*row[16:20]),
    )


def read_breaks(uow: UnitOfWork, batch_id: date) -> list[BreakRow]:
    """Return the batch's last reconciliation: its breaks, or one row without a kind when clean."""
    rows = uow.connection.execute(
        "select batch_id, accounts, coalesce(kind, ''), coalesce(account_id, 0), "
        "coalesce(subject, ''), coalesce(expected, ''), coalesce(found, '') "
        "from reporting.reconciliations where reconciliation_id = "
        "(select max(reconciliation_id) from reporting.reconciliations where batch_id = %s) "
        "order by kind, account_id, subject",
        (batch_id,),
    )
    return [BreakRow(*row) for row in rows]


def instant_text(time_ns: int) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds (RTS 25 asks for no less)."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest_ns // 1_000:06d}Z"
