"""Positions, last prices and alerts in the clearing database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from functions.risk.positions import Position
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import RiskEvent, TradeExecution

_COLUMNS: Final = (
    "account_id, instrument_id, traded_lots, deposited_lots, cost_value, realised_value, "
    "bought_lots, sold_lots, version"
)


@dataclass(frozen=True, slots=True)
class LastPrice:
    instrument_id: int
    price_ticks: int
    trade_id: int


def claim_trades(uow: UnitOfWork, trades: Sequence[TradeExecution]) -> list[TradeExecution]:
    """Return the trades that are not in the positions yet, marking them as being so."""
    rows = uow.connection.execute(
        "insert into risk.applied_trades (trade_id) "
        "select distinct id from unnest(%s::bigint[]) as t (id) order by id "
        "on conflict (trade_id) do nothing returning trade_id",
        ([int(trade.trade_id) for trade in trades],),
    )
    fresh = {row[0] for row in rows}
    taken: list[TradeExecution] = []
    for trade in trades:
        if int(trade.trade_id) in fresh:
            fresh.discard(int(trade.trade_id))
            taken.append(trade)
    return taken


def claim_events(uow: UnitOfWork, events: Sequence[RiskEvent]) -> list[RiskEvent]:
    """Return the risk events that were not handled yet, marking them as handled."""
    rows = uow.connection.execute(
        "insert into risk.applied_events (shard, sequence, index) "
        "select distinct * from unnest(%s::integer[], %s::bigint[], %s::integer[]) "
        "on conflict (shard, sequence, index) do nothing returning shard, sequence, index",
        (
            [event.shard for event in events],
            [event.sequence for event in events],
            [event.index for event in events],
        ),
    )
    fresh = {tuple(row) for row in rows}
    taken: list[RiskEvent] = []
    for event in events:
        place = (event.shard, event.sequence, event.index)
        if place in fresh:
            fresh.discard(place)
            taken.append(event)
    return taken


def lock_positions(
    uow: UnitOfWork, keys: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Position]:
    """Create the missing positions of (account, instrument) and lock all, always in one order."""
    accounts, listed = zip(*sorted(set(keys)), strict=True)
    uow.connection.execute(
        "insert into risk.positions (account_id, instrument_id) "
        "select * from unnest(%s::bigint[], %s::integer[]) as t (account, instrument) "
        "order by 1, 2 on conflict (account_id, instrument_id) do nothing",
        (list(accounts), list(listed)),
    )
    rows = uow.connection.execute(
        f"select {_COLUMNS} from risk.positions where (account_id, instrument_id) in "
        "(select * from unnest(%s::bigint[], %s::integer[])) "
        "order by account_id, instrument_id for update".encode(),
        (list(accounts), list(listed)),
    )
    return {(row[0], row[1]): Position(*map(int, row)) for row in rows}


def update_positions(uow: UnitOfWork, positions: Sequence[Position]) -> None:
    """Store positions that are locked."""
    rows = [
        (
            position.account_id,
            position.instrument_id,
            position.traded_lots,
            position.deposited_lots,
            position.cost_value,
            position.realised_value,
            position.bought_lots,
            position.sold_lots,
            position.version,
        )
        for position in positions
    ]
    uow.connection.execute(
        "update risk.positions as p set traded_lots = t.traded, deposited_lots = t.deposited, "
        "cost_value = t.cost, realised_value = t.realised, bought_lots = t.bought, "
        "sold_lots = t.sold, version = t.version, updated_at = clock_timestamp() "
        "from unnest(%s::bigint[], %s::integer[], %s::bigint[], %s::bigint[], %s::numeric[], "
        "%s::numeric[], %s::numeric[], %s::numeric[], %s::bigint[]) "
        "as t (account, instrument, traded, deposited, cost, realised, bought, sold, version) "
        "where p.account_id = t.account and p.instrument_id = t.instrument",
        [list(column) for column in zip(*rows, strict=True)],
    )


def positions_of(uow: UnitOfWork, account_id: int) -> list[Position]:
    """Return an account's positions, by instrument."""
    rows = uow.connection.execute(
        f"select {_COLUMNS} from risk.positions where account_id = %s "
        "order by instrument_id".encode(),
        (account_id,),
    )
    return [Position(*map(int, row)) for row in rows]


def update_last_prices(uow: UnitOfWork, prices: Sequence[LastPrice]) -> None:
    """Keep the price of each instrument's newest trade."""
    for price in sorted(prices, key=lambda item: item.instrument_id):
        uow.connection.execute(
            "insert into risk.last_prices as l (instrument_id, price_ticks, trade_id) "
            "values (%s, %s, %s) on conflict (instrument_id) do update "
            "set price_ticks = excluded.price_ticks, trade_id = excluded.trade_id "
            "where excluded.trade_id > l.trade_id",
            (price.instrument_id, price.price_ticks, price.trade_id),
        )


def last_prices(uow: UnitOfWork) -> dict[int, LastPrice]:
    """Return the price of every instrument's newest trade."""
    rows = uow.connection.execute(
        "select instrument_id, price_ticks, trade_id from risk.last_prices"
    )
    return {row[0]: LastPrice(*row) for row in rows}


def count_rejections(uow: UnitOfWork, account_id: int, minute: datetime, number: int) -> int:
    """Add refused orders to an account's minute and return how many it has."""
    row = uow.connection.execute(
        "insert into risk.rejections as r (account_id, minute, rejected) values (%s, %s, %s) "
        "on conflict (account_id, minute) do update set rejected = r.rejected + excluded.rejected "
        "returning rejected",
        (account_id, minute, number),
    ).fetchone()
    assert row is not None
    return int(row[0])


def raise_alert(uow: UnitOfWork, kind: str, subject: str, event: RiskEvent, detail: str) -> None:
    """Store an alert; one of the same kind and subject stays as it is."""
    uow.connection.execute(
        "insert into risk.alerts (kind, subject, account_id, instrument_id, detail, time_ns, "
        "trace_id) values (%s, %s, %s, %s, %s, %s, %s) on conflict (kind, subject) do nothing",
        (
            kind,
            subject,
            int(event.account_id) if event.account_id else None,
            event.instrument_id or None,
            detail,
            event.time_ns,
            event.trace_id,
        ),
    )
