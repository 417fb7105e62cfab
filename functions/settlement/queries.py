"""What a member may read of its own settlements."""

from typing import Any, Final

from shared.domain.money import from_minor
from shared.edge.models import AnswerModel
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

MAX_PAGE: Final = 200
MAX_NUMBER: Final = (1 << 63) - 1  # of an instruction


class SettlementAnswer(AnswerModel):
    """A netting instruction: `cash` and `quantity` are signed, what the account receives."""

    instruction_id: str
    batch_id: str
    symbol: str
    isin: str
    currency: str
    cash: str
    quantity: str
    state: str
    reason: str
    created_at: str
    settled_at: str | None


class SettledTrade(AnswerModel):
    trade_id: str
    order_id: str
    side: str
    price: str
    quantity: str
    cash: str


class SettlementDetail(SettlementAnswer):
    transfer_id: str | None
    trades: list[SettledTrade]


class SettlementList(AnswerModel):
    """`next_before` fetches the next page; it is absent on the last."""

    settlements: list[SettlementAnswer]
    next_before: str | None = None


_COLUMNS: Final = (
    "instruction_number, instruction_id, batch_id, instrument_id, isin, currency, cash_minor, "
    "quantity_lots, state, reason, created_at, settled_at, transfer_id"
)


def list_settlements(
    uow: UnitOfWork, instruments: Instruments, account_id: int, before: int | None, limit: int
) -> SettlementList:
    """Return an account's instructions, newest first, those numbered below `before`."""
    rows = uow.connection.execute(
        f"select {_COLUMNS} from settlement.instructions where account_id = %s "
        "and (%s::bigint is null or instruction_number < %s) "
        "order by instruction_number desc limit %s",
        (account_id, before, before, limit),
    ).fetchall()
    return SettlementList(
        settlements=[SettlementAnswer(**_fields(row, instruments)) for row in rows],
        next_before=str(rows[-1][0]) if len(rows) == limit else None,
    )


def get_settlement(
    uow: UnitOfWork, instruments: Instruments, account_id: int, instruction_id: str
) -> SettlementDetail | None:
    """Return one of an account's instructions with its trades; None when it has none such."""
    row = uow.connection.execute(
        f"select {_COLUMNS} from settlement.instructions "
        "where account_id = %s and instruction_id = %s",
        (account_id, instruction_id),
    ).fetchone()
    if row is None:
        return None
    instrument = instruments.by_id[row[3]]
    trades = uow.connection.execute(
        "select o.trade_id, o.order_id, o.side, t.price_ticks, t.quantity_lots, o.cash_minor "
        "from settlement.instruction_obligations l "
        "join settlement.obligations o using (trade_id, side) "
        "join settlement.trades t using (trade_id) "
        "where l.instruction_number = %s order by o.trade_id, o.side",
        (row[0],),
    )
    return SettlementDetail(
        **_fields(row, instruments),
        transfer_id=None if row[12] is None else str(row[12]),
        trades=[
            SettledTrade(
                trade_id=str(trade_id),
                order_id=str(order_id),
                side=side,
                price=instrument.price_text(price_ticks),
                quantity=instrument.quantity_text(quantity_lots),
                cash=from_minor(cash_minor, row[5]),
            )
            for trade_id, order_id, side, price_ticks, quantity_lots, cash_minor in trades
        ],
    )


def _fields(row: tuple[Any, ...], instruments: Instruments) -> dict[str, Any]:
    instrument = instruments.by_id[row[3]]
    return {
        "instruction_id": row[1],
        "batch_id": row[2].isoformat(),
        "symbol": instrument.symbol,
        "isin": row[4],
        "currency": row[5],
        "cash": from_minor(row[6], row[5]),
        "quantity": instrument.quantity_text(row[7]),
        "state": row[8],
        "reason": row[9],
        "created_at": row[10].isoformat(),
        "settled_at": None if row[11] is None else row[11].isoformat(),
    }
