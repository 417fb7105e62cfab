"""Captures trades: each once by its id, with what both sides owe and when."""

from collections.abc import Sequence
from datetime import date

from shared.domain.calendars import calendar
from shared.domain.instruments import Instrument
from shared.domain.settlement import Obligation, obligations_of_trade
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments
from shared.wire.stream_events import TradeExecution

_TRADE_COLUMNS = (
    "trade_id, shard, sequence, event_index, executed_ns, instrument_id, isin, currency, "
    "price_ticks, quantity_lots, notional_minor, aggressor_side, buy_account_id, buy_order_id, "
    "sell_account_id, sell_order_id, trade_date, settlement_date, trace_id"
)
_TRADE_VALUES = ", ".join(["%s"] * 19)
_SAME = (
    "shard, sequence, event_index, executed_ns, instrument_id, price_ticks, quantity_lots, "
    "buy_account_id, buy_order_id, sell_account_id, sell_order_id"
)


class TradeConflict(Exception):
    """A trade id came again with another content. Nothing of the batch is captured."""


def capture(uow: UnitOfWork, instruments: Instruments, executions: Sequence[TradeExecution]) -> int:
    """Store new trades with their obligations; return how many were new.

    A trade that is known already changes nothing, however often it is delivered.

    Raises
    ------
    TradeConflict
        When a known trade id comes with another content.
    KeyError
        When a trade's instrument is unknown.
    """
    new = [item for item in executions if _insert_trade(uow, instruments, item)]
    for execution in new:
        instrument = instruments.by_id[execution.instrument_id]
        due = _dates(instrument, execution.time_ns)[1]
        for obligation in _obligations(instrument, execution):
            uow.connection.execute(
                "insert into settlement.obligations (trade_id, side, account_id, order_id, "
                "instrument_id, currency, cash_minor, quantity_lots, due_date) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    obligation.trade_id,
                    obligation.side,
                    obligation.account_id,
                    obligation.order_id,
                    obligation.instrument_id,
                    obligation.currency,
                    obligation.cash_minor,
                    obligation.quantity_lots,
                    due,
                ),
            )
    return len(new)


def _insert_trade(uow: UnitOfWork, instruments: Instruments, item: TradeExecution) -> bool:
    """Store a trade; return False when it was there before, raise TradeConflict if it differs."""
    instrument = instruments.by_id[item.instrument_id]
    trade_date, settlement_date = _dates(instrument, item.time_ns)
    row = (
        int(item.trade_id),
        item.shard,
        item.sequence,
        item.index,
        item.time_ns,
        item.instrument_id,
        instrument.isin,
        instrument.currency,
        item.price_ticks,
        item.quantity_lots,
        instrument.notional_minor(item.price_ticks, item.quantity_lots),
        item.aggressor_side,
        int(item.buy_account_id),
        int(item.buy_order_id),
        int(item.sell_account_id),
        int(item.sell_order_id),
        trade_date,
        settlement_date,
        item.trace_id,
    )
    inserted = uow.connection.execute(
        f"insert into settlement.trades ({_TRADE_COLUMNS}) values ({_TRADE_VALUES}) "
        "on conflict (trade_id) do nothing",
        row,
    )
    if inserted.rowcount == 1:
        return True
    found = uow.connection.execute(
        f"select {_SAME} from settlement.trades where trade_id = %s", (row[0],)
    ).fetchone()
    if found != (*row[1:6], *row[8:10], *row[12:16]):
        raise TradeConflict(f"trade {item.trade_id} was captured with another content")
    return False


def _dates(instrument: Instrument, time_ns: int) -> tuple[date, date]:
    """Return a trade's date at its venue and the date on which it settles."""
    venue = calendar(instrument.calendar)
    trade_date = venue.trade_date(time_ns)
    return trade_date, venue.settlement_date(trade_date, instrument.settlement_cycle_days)


def _obligations(instrument: Instrument, item: TradeExecution) -> tuple[Obligation, Obligation]:
    return obligations_of_trade(
        trade_id=int(item.trade_id),
        instrument_id=item.instrument_id,
        currency=instrument.currency,
        quantity_lots=item.quantity_lots,
        notional_minor=instrument.notional_minor(item.price_ticks, item.quantity_lots),
        buyer=(int(item.buy_account_id), int(item.buy_order_id)),
        seller=(int(item.sell_account_id), int(item.sell_order_id)),
    )
