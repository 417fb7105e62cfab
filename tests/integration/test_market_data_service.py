"""Market data on real PostgreSQL and the real core: trades once, candles right, all public."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest

from functions.marketdata import app, wiring
from functions.marketdata.service import MarketDataService
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.ids import member_order_id
from shared.ports.event_stream import Message
from shared.wire.stream_events import TradeExecution
from tests.support.core_engine import CoreEngine
from tests.support.lambda_events import Context, HttpAnswer, call, http_event
from tests.support.orders import msk_event
from tests.support.servers import (
    MigratedDatabases,
    migrated_databases,
    postgres_server,
    stores,
)

__all__ = ["migrated_databases", "postgres_server", "stores"]

MINUTE_NS = 60_000_000_000
T0_NS = int(datetime(2026, 5, 29, 14, 30, tzinfo=UTC).timestamp()) * 1_000_000_000


@dataclass
class MarketStack:
    engine: CoreEngine
    dsn: str
    address: str  # of a caller that no other test shares a rate limit with

    def get(self, path: str, **query: str) -> HttpAnswer:
        event = http_event("GET", path)
        event["requestContext"]["http"]["sourceIp"] = self.address
        event["queryStringParameters"] = query
        event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in query.items())
        return call(app.handler, event)

    def write(self, *trades: TradeExecution) -> None:
        encoded = [
            Message("trade-executions", 2, b"2", msgspec.json.encode(trade)) for trade in trades
        ]
        assert app.trade_executions_handler(msk_event(encoded), Context()) == {
            "batchItemFailures": []
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def market(
    migrated_databases: MigratedDatabases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MarketStack]:
    engine = CoreEngine()
    service = MarketDataService(migrated_databases.service["marketdata"], lambda: engine)
    monkeypatch.setattr(wiring, "service", lambda: service)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    yield MarketStack(engine, migrated_databases.owner["market"], str(uuid.uuid4()))
    with psycopg.connect(migrated_databases.owner["market"]) as connection:
        connection.execute("truncate market.trades, market.candles_1m")


def trade(number: int, price_ticks: int, lots: int, at_ns: int = T0_NS) -> TradeExecution:
    return TradeExecution(
        shard=1,
        sequence=number,
        index=0,
        time_ns=at_ns,
        trade_id=str(number),
        instrument_id=2,
        price_ticks=price_ticks,
        quantity_lots=lots,
        aggressor_side="BUY",
        buy_order_id="1",
        buy_account_id="1",
        sell_order_id="2",
        sell_account_id="2",
    )


DAY = {"from": "2026-05-29T00:00:00Z", "to": "2026-05-30T00:00:00Z"}


def candles(market: MarketStack, interval: str = "1m", **query: str) -> Any:
    answer = market.get("/api/v1/instruments/NOVA/history", interval=interval, **(DAY | query))
    assert answer.status == 200, answer
    return answer.json["candles"]


def test_a_minutes_trades_make_its_candle(market: MarketStack) -> None:
    market.write(trade(1, 1000, 10), trade(2, 1010, 10), trade(3, 990, 20), trade(4, 1005, 10))
    (candle,) = candles(market)
    assert candle == {
        "at": "2026-05-29T14:30:00Z",
        "open": "10.00",
        "high": "10.10",
        "low": "9.90",
        "close": "10.05",
        "volume": "50",
        "vwap": "9.990000",
        "trades": 4,
    }


def test_any_order_and_repetition_of_batches_gives_the_same_candles(market: MarketStack) -> None:
    choose = random.Random(3)
    trades = [
        trade(number, choose.randint(900, 1100), choose.randint(1, 50), T0_NS + number * 7 * 10**9)
        for number in range(1, 120)
    ]
    market.write(*trades)
    once = market.rows("select * from market.candles_1m order by bucket")
    assert sum(row[8] for row in once) == len(trades)
    with psycopg.connect(market.dsn) as connection:
        connection.execute("truncate market.trades, market.candles_1m")
    for _ in range(40):
        market.write(*choose.sample(trades, 20))
    for _ in range(3):
        market.write(*trades)
    assert market.rows("select * from market.candles_1m order by bucket") == once


@pytest.mark.parametrize("interval, number", [("1m", 12), ("5m", 12), ("1h", 1), ("1d", 1)])
def test_wider_candles_sum_the_narrow_ones(market: MarketStack, interval: str, number: int) -> None:
    start = T0_NS - 30 * MINUTE_NS
    market.write(*(trade(n, 1000 + n, 1, start + n * 5 * MINUTE_NS) for n in range(12)))
    found = candles(market, interval)
    assert len(found) == number
    assert (found[0]["open"], found[-1]["close"]) == ("10.00", "10.11")
    assert sum(int(candle["volume"]) for candle in found) == 12


def test_history_keeps_to_its_range_and_gives_the_newest(market: MarketStack) -> None:
    market.write(*(trade(n, 1000 + n, 1, T0_NS + n * MINUTE_NS) for n in range(5)))
    found = candles(market, limit="2")
    assert [candle["close"] for candle in found] == ["10.03", "10.04"]
    early = candles(market, to="2026-05-29T14:32:00Z")
    assert [candle["close"] for candle in early] == ["10.00", "10.01"]


def test_the_ticker_joins_trades_and_the_engines_best_prices(market: MarketStack) -> None:
    now_ns = int(datetime.now(UTC).timestamp()) * 1_000_000_000
    market.write(trade(1, 1000, 10, now_ns - MINUTE_NS), trade(2, 1020, 30, now_ns))
    market.engine.open_account(1, cash_minor=10**9, NOVA=100)
    orders = [(r.BUY, 1_000, 7), (r.SELL, 1_030, 9)]
    for number, (side, price, lots) in enumerate(orders):
        market.engine.submit(
            PlaceOrder(1, member_order_id(1, number), 2, side, r.LIMIT, r.GTC, lots, price)
        )
    ticker = market.get("/api/v1/instruments/NOVA/ticker").json
    assert (ticker["last_price"], ticker["last_quantity"]) == ("10.20", "30")
    assert (ticker["bid"], ticker["bid_quantity"]) == ("10.00", "7")
    assert (ticker["ask"], ticker["ask_quantity"]) == ("10.30", "9")
    assert (ticker["volume_24h"], ticker["vwap_24h"]) == ("40", "10.150000")
    assert ticker["state"] == "CONTINUOUS"


def test_without_the_engine_the_ticker_tells_what_the_database_knows(market: MarketStack) -> None:
    market.write(trade(1, 1000, 10))
    market.engine.is_down = True
    ticker = market.get("/api/v1/instruments/NOVA/ticker").json
    assert (ticker["last_price"], ticker["bid"], ticker["state"]) == ("10.00", None, None)
    assert market.get("/api/v1/instruments/NOVA/book").code == "engine_unavailable"


def test_the_book_is_the_engines_own(market: MarketStack) -> None:
    market.engine.open_account(1, cash_minor=10**9)
    for number, price in enumerate((400, 401, 402)):
        market.engine.submit(
            PlaceOrder(1, member_order_id(1, number), 3, r.BUY, r.LIMIT, r.GTC, 5, price)
        )
    book = market.get("/api/v1/instruments/ORBT/book", depth="2").json
    assert [(level["price"], level["quantity"]) for level in book["bids"]] == [
        ("20.10", "50"),
        ("20.05", "50"),
    ]
    assert book["asks"] == []


def test_trades_are_listed_newest_first_page_by_page(market: MarketStack) -> None:
    market.write(*(trade(n, 1000, n, T0_NS + n) for n in range(1, 6)))
    first = market.get("/api/v1/instruments/NOVA/trades", limit="2").json["trades"]
    assert [item["trade_id"] for item in first] == ["5", "4"]
    rest = market.get("/api/v1/instruments/NOVA/trades", before="4").json["trades"]
    assert [item["trade_id"] for item in rest] == ["3", "2", "1"]


def test_trades_of_any_month_find_a_partition(market: MarketStack) -> None:
    for number, month in enumerate(range(1, 13), start=1):
        at = datetime(2031, month, 28, 23, 59, tzinfo=UTC)
        market.write(trade(number, 1000, 1, int(at.timestamp()) * 1_000_000_000))
    assert market.rows("select count(*) from market.trades") == [(12,)]


@pytest.mark.parametrize(
    "path, query, status, code",
    [
        ("/api/v1/instruments/NOPE", {}, 404, "unknown_instrument"),
        ("/api/v1/instruments/nova/ticker", {}, 404, "unknown_instrument"),
        ("/api/v1/instruments/NOVA/history", {"interval": "2m"}, 400, "invalid_request"),
        ("/api/v1/instruments/NOVA/history", {"limit": "0"}, 400, "invalid_request"),
        ("/api/v1/instruments/NOVA/history", {"from": "2026-05-29"}, 400, "invalid_request"),
        (
            "/api/v1/instruments/NOVA/history",
            {"from": "2026-05-30T00:00:00Z", "to": "2026-05-29T00:00:00Z"},
            422,
            "empty_time_range",
        ),
        ("/api/v1/instruments/NOVA/book", {"depth": "1e3"}, 400, "invalid_request"),
    ],
)
def test_bad_questions_get_a_stable_code(
    market: MarketStack, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = market.get(path, **query)
    assert (answer.status, answer.code) == (status, code)


def test_instruments_are_told_with_their_tick_and_lot(market: MarketStack) -> None:
    found = {item["symbol"]: item for item in market.get("/api/v1/instruments").json["instruments"]}
    assert found.keys() == {"AAPL", "NOVA", "ORBT"}
    assert (found["ORBT"]["tick_size"], found["ORBT"]["lot_size"]) == ("0.05", "10")
    assert market.get("/api/v1/instruments/AAPL").json == found["AAPL"]


def test_what_the_core_publishes_is_what_the_writer_takes(market: MarketStack) -> None:
    market.engine.step_ns = 0
    market.engine.open_account(1, cash_minor=10**9)
    market.engine.open_account(2, NOVA=100)
    market.engine.submit(PlaceOrder(2, member_order_id(2, 1), 2, r.SELL, r.LIMIT, r.GTC, 5, 999))
    market.engine.submit(PlaceOrder(1, member_order_id(1, 1), 2, r.BUY, r.LIMIT, r.IOC, 5, 999))
    published = [item for item in market.engine.published if item.topic == "trade-executions"]
    twice = [*published, *published]
    app.trade_executions_handler(msk_event(twice), Context())
    (told,) = market.engine.trade_executions()
    (shown,) = market.get("/api/v1/instruments/NOVA/trades").json["trades"]
    assert (shown["trade_id"], shown["price"], shown["quantity"]) == (told.trade_id, "9.99", "5")
