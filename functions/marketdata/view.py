"""Market data as the API shows it: decimal strings of price and number of shares."""

from collections.abc import Sequence
from typing import Final

from functions.marketdata.models import (
    Book,
    Candle,
    InstrumentAnswer,
    Level,
    PublicTrade,
    Ticker,
)
from functions.marketdata.service import Market
from functions.marketdata.store import CandleRow, TradeRow
from shared.domain import names
from shared.domain.instruments import Instrument
from shared.domain.money import format_decimal
from shared.ports.engine import BookLevel, BookView

_VWAP_EXTRA_PLACES: Final = 4


def instrument_answer(instrument: Instrument) -> InstrumentAnswer:
    return InstrumentAnswer(
        instrument_id=instrument.instrument_id,
        symbol=instrument.symbol,
        isin=instrument.isin,
        name=instrument.name,
        mic=instrument.mic,
        currency=instrument.currency,
        tick_size=instrument.tick_size,
        lot_size=str(instrument.lot_size),
        min_price=instrument.price_text(instrument.min_price_ticks),
        max_price=instrument.price_text(instrument.max_price_ticks),
        max_order_quantity=instrument.quantity_text(instrument.max_order_lots),
        settlement_cycle=f"T+{instrument.settlement_cycle_days}",
    )


def ticker(instrument: Instrument, market: Market) -> Ticker:
    last, totals, book = market.last, market.totals, market.book
    bid = book.bids[0] if book and book.bids else None
    ask = book.asks[0] if book and book.asks else None
    return Ticker.model_validate(
        {
            "symbol": instrument.symbol,
            "last_price": last and instrument.price_text(last.price_ticks),
            "last_quantity": last and instrument.quantity_text(last.quantity_lots),
            "last_at": last and last.traded_at,
            "bid": bid and instrument.price_text(bid.price_ticks),
            "bid_quantity": bid and instrument.quantity_text(bid.quantity_lots),
            "ask": ask and instrument.price_text(ask.price_ticks),
            "ask_quantity": ask and instrument.quantity_text(ask.quantity_lots),
            "state": book and state_text(book.state),
            "volume_24h": instrument.quantity_text(totals.volume_lots),
            "vwap_24h": _vwap(instrument, totals.value, totals.volume_lots),
            "high_24h": _price(instrument, totals.high_ticks),
            "low_24h": _price(instrument, totals.low_ticks),
            "open_24h": _price(instrument, totals.open_ticks),
            "trades_24h": totals.trades,
        }
    )


def candle(instrument: Instrument, row: CandleRow) -> Candle:
    vwap = _vwap(instrument, row.value, row.volume_lots)
    assert vwap is not None, "a candle has volume"
    return Candle(
        at=row.bucket,
        open=instrument.price_text(row.open_ticks),
        high=instrument.price_text(row.high_ticks),
        low=instrument.price_text(row.low_ticks),
        close=instrument.price_text(row.close_ticks),
        volume=instrument.quantity_text(row.volume_lots),
        vwap=vwap,
        trades=row.trades,
    )


def public_trade(instrument: Instrument, row: TradeRow) -> PublicTrade:
    return PublicTrade.model_validate(
        {
            "trade_id": str(row.trade_id),
            "at": row.traded_at,
            "price": instrument.price_text(row.price_ticks),
            "quantity": instrument.quantity_text(row.quantity_lots),
            "aggressor_side": row.aggressor_side,
        }
    )


def book_answer(instrument: Instrument, view: BookView) -> Book:
    return Book.model_validate(
        {
            "symbol": instrument.symbol,
            "state": state_text(view.state),
            "sequence": view.sequence,
            "bids": _levels(instrument, view.bids),
            "asks": _levels(instrument, view.asks),
        }
    )


def state_text(state: int) -> str:
    return names.SESSIONS[state]


def _levels(instrument: Instrument, levels: Sequence[BookLevel]) -> list[Level]:
    return [
        Level(
            price=instrument.price_text(level.price_ticks),
            quantity=instrument.quantity_text(level.quantity_lots),
            orders=level.orders,
        )
        for level in levels
    ]


def _price(instrument: Instrument, price_ticks: int | None) -> str | None:
    return None if price_ticks is None else instrument.price_text(price_ticks)


def _vwap(instrument: Instrument, value: int, lots: int) -> str | None:
    """Return value / lots as a price with four more places, half up."""
    if lots == 0:
        return None
    scaled = value * instrument.tick_size_units * 10**_VWAP_EXTRA_PLACES
    return format_decimal(
        (2 * scaled + lots) // (2 * lots), instrument.price_places + _VWAP_EXTRA_PLACES
    )
