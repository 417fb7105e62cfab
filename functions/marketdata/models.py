"""Requests and answers of the public market-data API."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.edge.models import AnswerModel

SymbolText = Annotated[str, StringConstraints(max_length=32)]
Interval = Literal["1m", "5m", "1h", "1d"]
TradingState = Literal[
    "CONTINUOUS",
    "HALTED",
    "CLOSED",
    "PRE_OPEN",
    "OPENING_UNCROSS",
    "VOLATILITY_AUCTION",
    "CLOSING_AUCTION",
    "DELISTED",
]


class InstrumentAnswer(AnswerModel):
    """Reference data of an instrument."""

    instrument_id: int
    symbol: str
    isin: str
    name: str
    mic: str
    currency: str
    tick_size: str
    lot_size: str
    min_price: str = Field(description="Where prices are expected; others are taken as well")
    max_price: str
    max_order_quantity: str
    settlement_cycle: str = Field(description="T+n, n settlement days after the trade")


class InstrumentList(AnswerModel):
    instruments: list[InstrumentAnswer]


class Ticker(AnswerModel):
    """The market now, and over the last 24 hours. Null where there is nothing to say.

    Bid, ask and state come from the engine itself and are null while it cannot be reached.
    """

    symbol: str
    last_price: str | None
    last_quantity: str | None
    last_at: datetime | None
    bid: str | None
    bid_quantity: str | None
    ask: str | None
    ask_quantity: str | None
    state: TradingState | None
    volume_24h: str
    vwap_24h: str | None
    high_24h: str | None
    low_24h: str | None
    open_24h: str | None
    trades_24h: int


class Candle(AnswerModel):
    at: datetime = Field(description="When the interval begins")
    open: str
    high: str
    low: str
    close: str
    volume: str
    vwap: str
    trades: int


class CandleList(AnswerModel):
    """Candles, oldest first; intervals without a trade have none."""

    symbol: str
    interval: Interval
    candles: list[Candle]


class PublicTrade(AnswerModel):
    trade_id: str
    at: datetime
    price: str
    quantity: str
    aggressor_side: Literal["BUY", "SELL", "NONE"] = Field(description="NONE at an uncross")


class TradeList(AnswerModel):
    """Trades, newest first."""

    symbol: str
    trades: list[PublicTrade]


class Level(AnswerModel):
    price: str
    quantity: str
    orders: int


class Book(AnswerModel):
    """The order book, best prices first, as it stood after `sequence`."""

    symbol: str
    state: TradingState
    sequence: int
    bids: list[Level]
    asks: list[Level]
