"""An order's state: the same from the engine's answers, from the stream, in any arrival order."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.orders.engine_answer import Origin, changed, placed
from functions.orders.lifecycle import OrderState, fold, new_order, place_of
from shared.domain import records as r
from shared.domain.commands import CancelOrder, PlaceOrder, ReplaceOrder
from shared.domain.ids import platform_order_id
from shared.domain.orders import OrderStatus
from shared.wire.stream_events import OrderEvent
from tests.support.core_engine import SHARD, CoreEngine

ACCOUNTS = (1, 2)


def trade(seed: int, number: int) -> tuple[CoreEngine, list[OrderEvent]]:
    """Return an engine after random commands, and what its answers told their senders."""
    choose = random.Random(seed)
    engine = CoreEngine()
    for account in ACCOUNTS:
        engine.open_account(account, cash_minor=10**9, NOVA=10_000)
    told: list[OrderEvent] = []
    origin = Origin(SHARD, "")
    placed_ids: list[int] = []
    for count in range(number):
        account = choose.choice(ACCOUNTS)
        order_id = choose.choice(placed_ids or [0])
        if placed_ids and choose.random() < 0.3:
            owner = order_id >> 32
            command: CancelOrder | ReplaceOrder = CancelOrder(owner, order_id, 2)
            if choose.random() < 0.6:
                terms = choose.randint(990, 1010), choose.randint(1, 50)
                command = ReplaceOrder(owner, order_id, 2, *terms)
            told += changed(order_id, engine.submit(command), origin)
            continue
        order_type = choose.choice([r.LIMIT, r.LIMIT, r.MARKET])
        order = PlaceOrder(
            account,
            platform_order_id(account, count),
            2,
            choose.choice([r.BUY, r.SELL]),
            order_type,
            r.IOC if order_type == r.MARKET else choose.choice([r.GTC, r.IOC]),
            choose.randint(1, 60),
            0 if order_type == r.MARKET else choose.randint(990, 1010),
        )
        placed_ids.append(order.order_id)
        told += placed(order, engine.submit(order), origin)
    return engine, told


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_answers_and_stream_tell_the_same_steps(seed: int, number: int) -> None:
    engine, told = trade(seed, number)
    published = {
        (event.order_id, place_of(event)): event
        for event in engine.order_events()
        if event.liquidity != "MAKER"
    }
    answered = {(event.order_id, place_of(event)): event for event in told}
    assert answered == published


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_states_agree_with_the_engines_open_orders(seed: int, number: int) -> None:
    engine, _ = trade(seed, number)
    states: dict[str, OrderState] = {}
    for event in engine.order_events():
        state = states.get(event.order_id) or new_order(event.price_ticks, event.quantity_lots)
        states[event.order_id] = fold(state, [event])
    still_open = {
        str(order.order_id): (order.price_ticks, order.leaves_lots)
        for account in ACCOUNTS
        for order in engine.open_orders(account)
    }
    found = {
        order_id: (state.price_ticks, state.leaves_lots)
        for order_id, state in states.items()
        if not state.is_done
    }
    assert found == still_open
    for state in states.values():
        assert state.filled_lots + state.leaves_lots <= state.quantity_lots
        assert (state.status is OrderStatus.FILLED) == (
            state.leaves_lots == 0 and state.filled_lots == state.quantity_lots
        )
