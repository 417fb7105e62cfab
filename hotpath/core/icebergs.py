"""Icebergs: what they display, and how the next part is shown when that is gone."""

from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.layout import (
    O_ID,
    O_LEAVES,
    O_PRICE,
    X_DISPLAY,
    X_FLAGS,
    X_SHOWN,
)
from hotpath.core.leaving import event_header
from hotpath.core.state import State
from shared.domain.records import ORDER_ICEBERG, ORDER_REPLENISHED


def is_iceberg(state: State, order: i64) -> bool:
    row: i64 = state.orders.cold_of(order)
    return row != 0 and state.orders.cold[row + X_FLAGS] & ORDER_ICEBERG != 0


def tradable(state: State, order: i64) -> i64:
    """Return the lots that trade before the next order of the price has its turn."""
    if is_iceberg(state, order):
        return state.orders.cold[state.orders.cold_of(order) + X_SHOWN]
    return state.orders.words[order + O_LEAVES]


def show(state: State, order: i64) -> None:
    """Let an iceberg that goes to the book display its first part."""
    if is_iceberg(state, order):
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        cold[row + X_SHOWN] = min(cold[row + X_DISPLAY], state.orders.words[order + O_LEAVES])


def replenish(state: State, order: i64) -> None:
    """Show the next part of an iceberg whose displayed part is gone, behind all of its price."""
    orders = state.orders
    if not is_iceberg(state, order):
        return
    row: i64 = orders.cold_of(order)
    leaves: i64 = orders.words[order + O_LEAVES]
    if orders.cold[row + X_SHOWN] != 0 or leaves == 0:
        return
    book.leave(state, order)
    show(state, order)
    orders.arrive(orders.words, order)
    level: i64 = book.enter(state, order)
    order_id: i64 = orders.words[order + O_ID]
    price: i64 = orders.words[order + O_PRICE]
    shown: i64 = orders.cold[row + X_SHOWN]
    header: i64 = event_header(state, order, ORDER_REPLENISHED)
    state.events.emit(header, order_id, order_id >> 32, price, shown, leaves, 0, level)
