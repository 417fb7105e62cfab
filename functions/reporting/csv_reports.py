"""Reports as CSV after RFC 4180: CRLF, a header line, quotes only where needed."""

import csv
import io
from collections.abc import Iterable, Sequence

from functions.reporting.records import BreakRow, TradeRow, instant_text
from shared.domain.money import from_minor
from shared.reference import Instruments

TRADE_COLUMNS = (
    "trade_id",
    "executed_at",
    "symbol",
    "isin",
    "venue",
    "price",
    "currency",
    "quantity",
    "notional",
    "aggressor_side",
    "buy_account_id",
    "buy_order_id",
    "sell_account_id",
    "sell_order_id",
    "trade_date",
    "settlement_date",
    "buy_instruction_id",
    "buy_settled_on",
    "sell_instruction_id",
    "sell_settled_on",
    "trace_id",
)
BREAK_COLUMNS = ("batch_id", "accounts", "kind", "account_id", "subject", "expected", "found")


def trades_csv(trades: Iterable[TradeRow], instruments: Instruments) -> bytes:
    """Return one line per trade."""
    return _render(TRADE_COLUMNS, (_trade_line(trade, instruments) for trade in trades))


def reconciliation_csv(breaks: Iterable[BreakRow]) -> bytes:
    """Return one line per break; a clean batch has one line without a kind."""
    lines = (
        (
            item.batch_id,
            item.accounts,
            item.kind,
            item.account_id or "",
            item.subject,
            item.expected,
            item.found,
        )
        for item in breaks
    )
    return _render(BREAK_COLUMNS, lines)


def _trade_line(trade: TradeRow, instruments: Instruments) -> Sequence[object]:
    instrument = instruments.by_id[trade.instrument_id]
    return (
        trade.trade_id,
        instant_text(trade.executed_ns),
        instrument.symbol,
        trade.isin,
        instrument.mic,
        instrument.price_text(trade.price_ticks),
        trade.currency,
        instrument.quantity_text(trade.quantity_lots),
        from_minor(trade.notional_minor, trade.currency),
        trade.aggressor_side,
        trade.buy.account_id,
        trade.buy.order_id,
        trade.sell.account_id,
        trade.sell.order_id,
        trade.trade_date,
        trade.settlement_date,
        trade.buy.instruction_id,
        trade.buy.settled_on or "",
        trade.sell.instruction_id,
        trade.sell.settled_on or "",
        trade.trace_id,
    )


def _render(header: Sequence[str], lines: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()
