"""Two consumers as simple models: clearing keeps trades and balances, market data keeps the book.

Their stores stand for databases: what is in them outlives a crash, what was polled does not.
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from shared.ports.event_stream import StoredMessage, TopicPartition
from shared.wire.stream_events import (
    MARKET_DATA,
    PARTITIONS,
    TRADE_EXECUTIONS,
    MarketDataUpdate,
    TradeExecution,
)
from tests.sim.world import Crash, World
from tests.support.memory_stream import MemoryBroker, MemoryReader, MemoryStream

_TRADE: Final = msgspec.json.Decoder(TradeExecution)
_UPDATE: Final = msgspec.json.Decoder(MarketDataUpdate)


@dataclass
class Ledger:
    """Trades by id, each booked once, and what they moved."""

    trades: dict[str, TradeExecution] = field(default_factory=dict)
    cash: dict[int, int] = field(default_factory=dict)
    lots: dict[int, int] = field(default_factory=dict)

    def handle(self, message: StoredMessage) -> None:
        trade = _TRADE.decode(message.value)
        known = self.trades.get(trade.trade_id)
        assert known in (None, trade), "one id for two trades"
        if known is not None:
            return
        self.trades[trade.trade_id] = trade
        value = trade.price_ticks * trade.quantity_lots
        for account, sign in ((int(trade.buy_account_id), 1), (int(trade.sell_account_id), -1)):
            self.cash[account] = self.cash.get(account, 0) - sign * value
            self.lots[account] = self.lots.get(account, 0) + sign * trade.quantity_lots


@dataclass
class Book:
    """The public book, from the levels' totals; an update of before changes nothing."""

    levels: dict[tuple[str, int], int] = field(default_factory=dict)
    place: tuple[int, int] = (0, 0)

    def handle(self, message: StoredMessage) -> None:
        update = _UPDATE.decode(message.value)
        if (update.sequence, update.index) <= self.place:
            return
        self.place = (update.sequence, update.index)
        for level in update.levels:
            self.levels[(level.side, level.price_ticks)] = level.quantity_lots
            if level.quantity_lots == 0:
                del self.levels[(level.side, level.price_ticks)]


class Consumer:
    """Polls one topic, hands each message over, then commits; a crash forgets what was polled."""

    def __init__(
        self, world: World, broker: MemoryBroker, topic: str, store: Ledger | Book
    ) -> None:
        self._world = world
        self._broker = broker
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS[topic])]
        self._store = store
        self._reader: MemoryReader | None = None
        self.name = topic

    def step(self) -> None:
        """Raises StreamUnavailable; a crash ends the reader."""
        if self._reader is None:
            self._reader = MemoryStream(self._broker).reader(self.name, self._places)
        try:
            for message in self._reader.poll(1 + self._world.dice.randrange(50), 0):
                self._store.handle(message)
                self._maybe_crash()
            self._maybe_crash()
        except Crash:
            self._world.note(f"crash of {self.name}'s consumer")
            self._reader = None
            return
        self._reader.commit({place: self._reader.position(place) for place in self._places})

    @property
    def is_done(self) -> bool:
        committed = self._broker.committed
        return all(
            committed.get((self.name, place), 0) >= self._broker.at(place).end
            for place in self._places
        )

    def _maybe_crash(self) -> None:
        if self._world.chance(0.005):
            raise Crash("consumer")


def consumers(
    world: World, broker: MemoryBroker, ledger: Ledger, book: Book
) -> tuple[Consumer, Consumer]:
    return (
        Consumer(world, broker, TRADE_EXECUTIONS, ledger),
        Consumer(world, broker, MARKET_DATA, book),
    )
