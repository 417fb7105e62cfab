"""Trades and candles in the market database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import TradeExecution

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CANDLE_TABLES: Final = {
    "1m": "candles_1m",
    "5m": "candles_5m",
    "1h": "candles_1h",
    "1d": "candles_1d",
}


@dataclass(frozen=True, slots=True)
class TradeRow:
    trade_id: int
    traded_at: datetime
    price_ticks: int
    quantity_lots: int
    aggressor_side: str


@dataclass(frozen=True, slots=True)
class CandleRow:
    bucket: datetime
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    value: int  # sum of ticks x lots
    trades: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What traded in a span; prices are None when nothing did."""

    volume_lots: int
    value: int
    trades: int
    open_ticks: int | None
    high_ticks: int | None
    low_ticks: int | None


def instant(time_ns: int) -> datetime:
    """Return nanoseconds since the epoch as a time to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


def ensure_partitions(uow: UnitOfWork, month: datetime) -> None:
    """Make the partitions of a time's month and the next one, where they are missing."""
    uow.connection.execute("select market.ensure_trade_partitions(%s)", (month,))


def insert_trades(uow: UnitOfWork, trades: Sequence[TradeExecution]) -> int:
    """Store trades and add the new ones to their candles; return how many were new."""
    rows = [
        (
            int(trade.trade_id),
            instant(trade.time_ns),
            trade.time_ns,
            trade.instrument_id,
            trade.price_ticks,
            trade.quantity_lots,
            trade.aggressor_side,
        )
        for trade in trades
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    row = uow.connection.execute(_INSERT, columns).fetchone()
    assert row is not None
    return int(row[0])


_INSERT: Final = """
with fresh as (
    insert into market.trades (trade_id, traded_at, time_ns, instrument_id, price_ticks,
                               quantity_lots, aggressor_side)
    select * from unnest(%s::bigint[], %s::timestamptz[], %s::bigint[], %s::integer[],
                         %s::bigint[], %s::bigint[], %s::text[])
    on conflict (trade_id, traded_at) do nothing
    returning *
), minutes as (
    insert into market.candles_1m as c
    select instrument_id, date_trunc('minute', traded_at) as bucket,
           (array_agg(price_ticks order by trade_id))[1], max(price_ticks), min(price_ticks),
           (array_agg(price_ticks order by trade_id desc))[1],
           sum(quantity_lots), sum(price_ticks::numeric * quantity_lots), count(*),
           min(trade_id), max(trade_id)
    from fresh group by instrument_id, date_trunc('minute', traded_at)
    order by 1, 2
    on conflict (instrument_id, bucket) do update set
        open_ticks = case when excluded.first_trade_id < c.first_trade_id
                          then excluded.open_ticks else c.open_ticks end,
        close_ticks = case when excluded.last_trade_id > c.last_trade_id
                           then excluded.close_ticks else c.close_ticks end,
        high_ticks = greatest(c.high_ticks, excluded.high_ticks),
        low_ticks = least(c.low_ticks, excluded.low_ticks),
        volume_lots = c.volume_lots + excluded.volume_lots,
        value = c.value + excluded.value,
        trades = c.trades + excluded.trades,
        first_trade_id = least(c.first_trade_id, excluded.first_trade_id),
        last_trade_id = greatest(c.last_trade_id, excluded.last_trade_id)
)
select count(*) from fresh
"""


def newest_trades(
    uow: UnitOfWork, instrument_id: int, limit: int, before: int | None = None
) -> list[TradeRow]:
    """Return an instrument's trades, newest first, older than trade `before` where it is given."""
    rows = uow.connection.execute(
        "select trade_id, traded_at, price_ticks, quantity_lots, aggressor_side "
        "from market.trades where instrument_id = %s and (%s::bigint is null or trade_id < %s) "
        "order by traded_at desc, trade_id desc limit %s",
        (instrument_id, before, before, limit),
    )
    return [TradeRow(*row) for row in rows]


def candles(
    uow: UnitOfWork, instrument_id: int, interval: str, start: datetime, end: datetime, limit: int
) -> list[CandleRow]:
    """Return the newest `limit` candles that begin in [start, end), oldest first."""
    query = (
        "select bucket, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots, value, trades "
        f"from market.{CANDLE_TABLES[interval]} "
        "where instrument_id = %s and bucket >= %s and bucket < %s order by bucket desc limit %s"
    )
    rows = uow.connection.execute(query.encode(), (instrument_id, start, end, limit)).fetchall()
    return [CandleRow(row[0], *(int(value) for value in row[1:])) for row in reversed(rows)]


def totals_since(uow: UnitOfWork, instrument_id: int, start: datetime) -> Totals:
    """Return what traded since the minute that contains `start`."""
    row = uow.connection.execute(
        "select coalesce(sum(volume_lots), 0), coalesce(sum(value), 0), coalesce(sum(trades), 0), "
        "(array_agg(open_ticks order by bucket))[1], max(high_ticks), min(low_ticks) "
        "from market.candles_1m where instrument_id = %s and bucket >= date_trunc('minute', %s)",
        (instrument_id, start),
    ).fetchone()
    assert row is not None
    return Totals(int(row[0]), int(row[1]), int(row[2]), *row[3:])
