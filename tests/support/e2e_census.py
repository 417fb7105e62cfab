"""What each store holds of orders and trades, so that a test can see that all hold the same."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hotpath.runtime.journal.reader import JournalScan
from infra.trace.hot_path import messages
from shared.domain import records as r
from shared.domain.ids import trade_id
from shared.ports.event_stream import TopicPartition
from shared.streams import open_stream
from shared.wire.journal import JournaledCommand
from shared.wire.stream_events import PARTITIONS, TRADE_EXECUTIONS
from tests.support.e2e_platform import Platform

_SHARD = 0
_PLACING = (r.PLACE_ORDER, r.PLACE_ORDER_EXTENDED, r.BATCH)
Trades = Counter[tuple[int, int]]  # (trade id, lots): how often a store holds it


@dataclass(frozen=True)
class Census:
    """Orders by id that the engine accepted, and trades, in each store that should have them."""

    orders: Mapping[str, Counter[int]]
    trades: Mapping[str, Trades]

    def differences(self) -> list[str]:
        """Return what is not the same in all stores, or is more than once in one."""
        return [*_differences("order", self.orders), *_differences("trade", self.trades)]


def take_census(platform: Platform) -> Census:
    """Read all stores. The platform must have settled down, else they differ rightly."""
    accepted: Counter[int] = Counter()
    traded: Trades = Counter()
    for command in journaled_commands(platform):
        kind = command.words[r.C_HEADER] & 0xFF
        for index, event in enumerate(command.events):
            event_kind = event[r.E_HEADER] & 0xFF
            if event_kind == r.TRADE_EXECUTED:
                traded[trade_id(_SHARD, command.sequence, index), event[r.E_QUANTITY]] += 1
            elif event_kind == r.ORDER_ACCEPTED and kind in _PLACING:
                accepted[event[r.E_ID]] += 1
    stored = platform.rows("core", "select order_id from orders.orders where status <> 'REJECTED'")
    return Census(
        orders={
            "journal": accepted,
            "orders service": Counter(row["order_id"] for row in stored),
        },
        trades={
            "journal": traded,
            "stream": _stream_trades(platform),
            "clearing": _table_trades(platform, "clearing", "settlement.trades"),
            "market data": _table_trades(platform, "market", "market.trades"),
        },
    )


def journaled_commands(platform: Platform) -> Iterator[JournaledCommand]:
    for _, _, record in JournalScan(platform.settings.journal):
        yield from record.commands()


def _stream_trades(platform: Platform) -> Trades:
    stream = open_stream(platform.settings.stream_url)
    try:
        found = [
            json.loads(value)
            for partition in range(PARTITIONS[TRADE_EXECUTIONS])
            for _, value in messages(stream, TopicPartition(TRADE_EXECUTIONS, partition))
        ]
    finally:
        stream.close()
    return Counter((int(trade["trade_id"]), int(trade["quantity_lots"])) for trade in found)


def _table_trades(platform: Platform, database: str, table: str) -> Trades:
    found = platform.rows(database, f"select trade_id, quantity_lots from {table}")
    return Counter((int(row["trade_id"]), int(row["quantity_lots"])) for row in found)


def _differences(what: str, stores: Mapping[str, Counter[Any]]) -> list[str]:
    keys: set[Any] = set().union(*stores.values())
    return [
        f"{what} {key}: " + ", ".join(f"{name} {held.get(key, 0)}" for name, held in stores.items())
        for key in sorted(keys, key=str)
        if any(held.get(key, 0) != 1 for held in stores.values())
    ]
