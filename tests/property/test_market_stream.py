"""What the stream tells is enough: books, orders and trades come out of it alone."""

import msgspec
import pytest

from functions.orders.lifecycle import OrderState, fold, is_step, new_order
from hotpath.feed.market import Market
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.wire.journal import JournaledCommand
from shared.wire.stream_events import (
    MARKET_DATA,
    ORDER_EVENTS,
    TRADE_EXECUTIONS,
    MarketDataUpdate,
    OrderEvent,
    TradeExecution,
)
from tests.reference.engine import NaiveEngine
from tests.reference.generator import INSTRUMENTS, Generator
from tests.reference.run import SETTINGS

COMMANDS = 3_000
TYPES = {ORDER_EVENTS: OrderEvent, MARKET_DATA: MarketDataUpdate, TRADE_EXECUTIONS: TradeExecution}


class Followers:
    """Everything that is known from the stream."""

    def __init__(self) -> None:
        self.markets = {number: Market(number) for number in range(1, INSTRUMENTS + 1)}
        self.orders: dict[str, OrderState] = {}
        self.traded_lots = 0
        self.filled_lots = 0
        self.kinds: set[str] = set()

    def read(self, command: JournaledCommand) -> None:
        before = -1, ""
        for index, message in messages(0, command):
            kind = TYPES.get(message.topic)
            told = msgspec.json.decode(message.value, type=kind) if kind else None
            if isinstance(told, MarketDataUpdate) and told.instrument_id in self.markets:
                self.markets[told.instrument_id].apply(told)
            elif isinstance(told, TradeExecution):
                self.traded_lots += told.quantity_lots
            elif isinstance(told, OrderEvent) and is_step(told):
                self._step(told)
            assert message.topic != before[1] or index >= before[0], "a topic's indices go up"
            before = index, message.topic

    def _step(self, told: OrderEvent) -> None:
        state = self.orders.get(told.order_id) or new_order(told.price_ticks, told.quantity_lots)
        self.orders[told.order_id] = fold(state, [told])
        self.filled_lots += told.last_quantity_lots if told.type == "FILL" else 0
        self.kinds.add(told.type)


@pytest.mark.parametrize("seed", range(3))
def test_books_and_orders_follow_from_the_stream_alone(seed: int) -> None:
    generator, engine, followers = Generator(seed), NaiveEngine(**SETTINGS), Followers()
    for _ in range(COMMANDS):
        words = generator.draw()
        events = engine.apply_words(words)
        generator.observe(events)
        stamp = generator.sequence
        followers.read(JournaledCommand(stamp, stamp * 1000, tuple(words), tuple(events), b""))
        for number, market in followers.markets.items():
            for side, shown in ((r.BUY, market.bids), (r.SELL, market.asks)):
                assert shown.levels() == engine.displayed_levels(number, side)
    still_open = {str(key): order.leaves for key, order in engine.market.orders.items()}
    told_open = {
        key: state.leaves_lots for key, state in followers.orders.items() if not state.is_done
    }
    assert told_open == still_open
    assert followers.filled_lots == 2 * followers.traded_lots > 0
    usual = {"ACCEPTED", "REJECTED", "FILL", "RESTED", "CANCELLED", "REPLACED"}
    assert followers.kinds >= usual | {"TRIGGERED", "EXPIRED", "REPRICED", "REPLENISHED"}
