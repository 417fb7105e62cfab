"""Markets and their changes as messages: ticks and lots become decimal strings here."""

from collections.abc import Iterable

from hotpath.feed.market import BookSide, Change, Market
from hotpath.feed.messages import (
    BookSnapshot,
    BookUpdate,
    Level,
    LevelUpdate,
    TickerUpdate,
    Trade,
    TradesSnapshot,
    TradesUpdate,
)
from shared.domain.instruments import Instrument
from shared.wire.stream_events import MarketTrade


def book_snapshot(instrument: Instrument, market: Market) -> BookSnapshot:
    return BookSnapshot(
        symbol=instrument.symbol,
        sequence=market.book_sequence,
        state=market.state,
        bids=_levels(instrument, market.bids),
        asks=_levels(instrument, market.asks),
    )


def book_update(instrument: Instrument, market: Market, change: Change) -> BookUpdate:
    assert change.book_prev is not None
    return BookUpdate(
        symbol=instrument.symbol,
        sequence=change.update.sequence,
        prev=change.book_prev,
        time_ns=change.update.time_ns,
        state=market.state,
        levels=[
            level_update(instrument, level.side, level.price_ticks, level.quantity_lots)
            for level in change.levels
        ],
    )


def level_update(instrument: Instrument, side: str, ticks: int, lots: int) -> LevelUpdate:
    return LevelUpdate(side, instrument.price_text(ticks), instrument.quantity_text(lots))


def trades_snapshot(instrument: Instrument, market: Market) -> TradesSnapshot:
    return TradesSnapshot(
        symbol=instrument.symbol,
        sequence=market.trades_sequence,
        trades=_trades(instrument, market.recent),
    )


def trades_update(instrument: Instrument, change: Change) -> TradesUpdate:
    assert change.trades_prev is not None
    return TradesUpdate(
        symbol=instrument.symbol,
        sequence=change.update.sequence,
        prev=change.trades_prev,
        trades=_trades(
            instrument, ((change.update.time_ns, trade) for trade in change.update.trades)
        ),
    )


def ticker(instrument: Instrument, market: Market, prev: int) -> TickerUpdate:
    last = market.recent[-1][1] if market.recent else None
    bid, ask, day, call = market.bids.top(), market.asks.top(), market.day, market.auction
    return TickerUpdate(
        symbol=instrument.symbol,
        sequence=market.ticker_sequence,
        prev=prev,
        time_ns=market.time_ns,
        state=market.state,
        last_price=instrument.price_text(last.price_ticks) if last else None,
        last_quantity=instrument.quantity_text(last.quantity_lots) if last else None,
        bid=instrument.price_text(bid[0]) if bid else None,
        bid_quantity=instrument.quantity_text(bid[1]) if bid else None,
        ask=instrument.price_text(ask[0]) if ask else None,
        ask_quantity=instrument.quantity_text(ask[1]) if ask else None,
        indicative_price=(
            instrument.price_text(call.price_ticks) if call and call.price_ticks else None
        ),
        indicative_quantity=instrument.quantity_text(call.quantity_lots) if call else None,
        indicative_surplus=instrument.quantity_text(call.surplus_lots) if call else None,
        day_volume=instrument.quantity_text(day.volume_lots),
        day_high=instrument.price_text(day.high_ticks) if day.volume_lots else None,
        day_low=instrument.price_text(day.low_ticks) if day.volume_lots else None,
    )


def _levels(instrument: Instrument, side: BookSide) -> list[Level]:
    return [
        Level(instrument.price_text(ticks), instrument.quantity_text(lots))
        for ticks, lots in side.levels()
    ]


def _trades(instrument: Instrument, trades: Iterable[tuple[int, MarketTrade]]) -> list[Trade]:
    return [
        Trade(
            trade_id=trade.trade_id,
            price=instrument.price_text(trade.price_ticks),
            quantity=instrument.quantity_text(trade.quantity_lots),
            aggressor_side=trade.aggressor_side,
            time_ns=time_ns,
        )
        for time_ns, trade in trades
    ]
