"""Entry points of market data: the public HTTP API and the writer of trades and candles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from functions.marketdata import view, wiring
from functions.marketdata.models import (
    Book,
    CandleList,
    InstrumentAnswer,
    InstrumentList,
    Interval,
    SymbolText,
    Ticker,
    TradeList,
)
from shared.domain.instruments import Instrument
from shared.edge.http import HttpApp
from shared.edge.models import IdText
from shared.edge.problems import Problem
from shared.edge.rate_limit import rate_limit
from shared.edge.stream_handler import StreamRecord, stream_handler
from shared.reference import instruments
from shared.wire.stream_events import TradeExecution

app = HttpApp("marketdata")
handler = app.handler

_SPANS: Final = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
_MAX_TRADE_ID: Final = (1 << 63) - 1
SymbolPath = Annotated[SymbolText, Path(description="An instrument's symbol")]
# Counted by source address; the feed is for those who want more.
_public: Final = [rate_limit("anonymous")]


@app.get(
    "/api/v1/instruments",
    summary="List the instruments",
    tags=["market data"],
    middlewares=_public,
)
def list_instruments() -> InstrumentList:
    return InstrumentList(instruments=[view.instrument_answer(item) for item in instruments()])


@app.get(
    "/api/v1/instruments/<symbol>",
    summary="Show an instrument",
    tags=["market data"],
    middlewares=_public,
)
def get_instrument(symbol: SymbolPath) -> InstrumentAnswer:
    return view.instrument_answer(_instrument(symbol))


@app.get(
    "/api/v1/instruments/<symbol>/ticker",
    summary="Show the last price, the best prices and 24 hours of statistics",
    tags=["market data"],
    middlewares=_public,
)
def get_ticker(symbol: SymbolPath) -> Ticker:
    instrument = _instrument(symbol)
    market = wiring.service().market(instrument.instrument_id, datetime.now(UTC))
    return view.ticker(instrument, market)


@app.get(
    "/api/v1/instruments/<symbol>/history",
    summary="List candles, oldest first",
    description="The newest `limit` candles that begin in [from, to); ISO 8601 times with zone.",
    tags=["market data"],
    middlewares=_public,
)
def get_history(
    symbol: SymbolPath,
    interval: Annotated[Interval, Query()] = "1m",
    start: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> CandleList:
    instrument = _instrument(symbol)
    until = _zoned(end) if end else datetime.now(UTC) + _SPANS[interval]
    since = _zoned(start) if start else until - _SPANS[interval] * limit
    if since >= until:
        raise Problem(422, "empty_time_range", "`from` must be before `to`.")
    rows = wiring.service().candles(instrument.instrument_id, interval, since, until, limit)
    return CandleList(
        symbol=symbol, interval=interval, candles=[view.candle(instrument, row) for row in rows]
    )


@app.get(
    "/api/v1/instruments/<symbol>/trades",
    summary="List trades, newest first",
    tags=["market data"],
    middlewares=_public,
)
def get_trades(
    symbol: SymbolPath,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[IdText | None, Query(description="Only trades older than this id")] = None,
) -> TradeList:
    instrument = _instrument(symbol)
    before_id = min(int(before), _MAX_TRADE_ID) if before is not None else None
    rows = wiring.service().trades(instrument.instrument_id, limit, before_id)
    return TradeList(symbol=symbol, trades=[view.public_trade(instrument, row) for row in rows])


@app.get(
    "/api/v1/instruments/<symbol>/book",
    summary="Show the order book as the engine has it now",
    tags=["market data"],
    middlewares=_public,
)
def get_book(symbol: SymbolPath, depth: Annotated[int, Query(ge=1, le=100)] = 10) -> Book:
    instrument = _instrument(symbol)
    found = wiring.service().book(instrument.instrument_id, depth)
    if found is None:
        raise Problem(404, "not_listed", "The engine does not trade this instrument yet.")
    return view.book_answer(instrument, found)


@stream_handler("marketdata", TradeExecution)
def trade_executions_handler(records: Sequence[StreamRecord[TradeExecution]]) -> None:
    """Store trades and candles; those stored already change nothing."""
    wiring.service().write_trades([record.value for record in records])


def _instrument(symbol: str) -> Instrument:
    found = instruments().by_symbol.get(symbol)
    if found is None:
        raise Problem(404, "unknown_instrument", "No such instrument.")
    return found


def _zoned(given: datetime) -> datetime:
    if given.tzinfo is None:
        raise Problem(400, "invalid_request", "Give times with their zone, such as Z.")
    return given.astimezone(UTC)
