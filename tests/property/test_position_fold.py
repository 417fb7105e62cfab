"""Positions: whatever is traded, quantity and money add up."""

from hypothesis import given
from hypothesis import strategies as st

from functions.risk.positions import Position, deposited, traded

trades = st.lists(
    st.tuples(st.integers(-500, 500).filter(bool), st.integers(1, 10_000)), max_size=60
)


def after(history: list[tuple[int, int]]) -> Position:
    position = Position(1, 2)
    for lots, price in history:
        position = traded(position, lots, price)
    return position


@given(trades, st.integers(1, 10_000))
def test_profit_is_what_was_received_and_what_is_left_is_worth(
    history: list[tuple[int, int]], last_ticks: int
) -> None:
    position = after(history)
    received = -sum(lots * price for lots, price in history)
    worth = position.traded_lots * last_ticks
    assert position.realised_value + position.unrealised_value(last_ticks) == received + worth


@given(trades)
def test_quantities_add_up(history: list[tuple[int, int]]) -> None:
    position = after(history)
    assert position.traded_lots == sum(lots for lots, _ in history)
    assert position.bought_lots - position.sold_lots == position.traded_lots
    assert position.version == len(history)


@given(trades)
def test_a_flat_position_has_no_cost(history: list[tuple[int, int]]) -> None:
    position = after(history)
    if position.traded_lots:
        position = traded(position, -position.traded_lots, 100)
    assert position.cost_value == 0


@given(trades)
def test_average_cost_stays_between_the_prices_paid(history: list[tuple[int, int]]) -> None:
    bought = [(abs(lots), price) for lots, price in history]
    position = after(bought)
    if bought:
        prices = [price for _, price in bought]
        assert min(prices) * position.traded_lots <= position.cost_value
        assert position.cost_value <= max(prices) * position.traded_lots


@given(trades, st.integers(1, 1_000))
def test_deposits_change_the_quantity_and_no_profit(
    history: list[tuple[int, int]], lots: int
) -> None:
    before = after(history)
    position = deposited(before, lots)
    assert position.quantity_lots == before.quantity_lots + lots
    assert position.realised_value == before.realised_value
    assert position.cost_value == before.cost_value
