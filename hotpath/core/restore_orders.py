"""Puts the open orders of a snapshot back to where they stood."""

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book, followers, promises, waiting
from hotpath.core.layout import (
    A_WATCH,
    IN_AUCTION,
    IN_BOOK,
    IN_STOPS,
    IS_REACHED,
    IS_WOKEN,
    O_ARRIVED,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    POSITION_MASK,
    WATCH_MARGIN,
    X_FLAGS,
    X_LIMIT,
    X_PARTNER,
    X_PLACE,
)
from hotpath.core.leaving import make_cold, wake
from hotpath.core.snapshot_layout import (
    LATER_FIELDS,
    ORDERS,
    TERMS,
    TERMS_FIELDS,
    WIDTHS,
    read_fields,
)
from hotpath.core.state import State
from hotpath.core.words import zeros
from shared.domain.records import ORDER_SHORT


def restore_orders(state: State, data: bytes, starts: vec[i64]) -> None:
    """Chain the orders by account as they were accepted, then queue them by priority."""
    width: i64 = WIDTHS[ORDERS] * 8
    terms_width: i64 = WIDTHS[TERMS] * 8
    count: i64 = (starts[ORDERS + 1] - starts[ORDERS]) // width
    by_rank = zeros(count)
    at: i64 = starts[ORDERS]
    terms: i64 = starts[TERMS]
    while at < starts[ORDERS + 1]:
        order: i64 = _restore_order(state, data, at)
        rank: i64 = read_i64_le(data, at + 32)
        if not 0 <= rank < count:
            raise ValueError("the snapshot's orders have no order")
        by_rank[rank] = order
        state.orders.words[order + O_ARRIVED] = count + rank + 1
        if terms < starts[TERMS + 1] and read_i64_le(data, terms) == read_i64_le(data, at):
            _restore_terms(state, data, terms, order)
            terms += terms_width
        _promise(state, order, read_i64_le(data, at + 24))
        at += width
    state.orders.clock = 2 * count
    terms = starts[TERMS]
    while terms < starts[TERMS + 1]:
        _restore_link(state, data, terms)
        terms += terms_width
    rank = 0
    while rank < count:
        _queue(state, by_rank[rank])
        rank += 1


def note_margin(state: State, account: i64) -> None:
    """Let an account's positions count for its buying power."""
    a = state.accounts.words
    a[account + A_WATCH] = a[account + A_WATCH] | WATCH_MARGIN


def _restore_order(state: State, data: bytes, at: i64) -> i64:
    order_id: i64 = read_i64_le(data, at)
    where: i64 = read_i64_le(data, at + 8)
    account: i64 = state.accounts.find(order_id >> 32)
    position: i64 = state.positions.find(account, state.instruments.find(where >> 1))
    price: i64 = read_i64_le(data, at + 16)
    order: i64 = state.orders.add(order_id, price, read_i64_le(data, at + 24), position, where & 1)
    state.ids.set_slot(state.ids.find(order_id), order >> ORDER_SHIFT)
    return order


def _restore_terms(state: State, data: bytes, at: i64, order: i64) -> None:
    orders = state.orders
    row: i64 = orders.add_cold(order)
    x = orders.cold
    read_fields(data, at + 8, x, row, TERMS_FIELDS)
    read_fields(data, at + 8 * (2 + len(TERMS_FIELDS)), x, row, LATER_FIELDS)
    if x[row + X_PLACE] != IN_BOOK:
        orders.words[order + O_PRICE] = x[row + X_LIMIT]
    if x[row + X_FLAGS] & ORDER_SHORT != 0:
        note_margin(state, state.accounts.find(read_i64_le(data, at) >> 32))
    followers.note(state, order)


def _promise(state: State, order: i64, lots: i64) -> None:
    if not state.risk:
        return
    promises.count_lots(state, order, lots)
    if state.orders.cold_of(order) != 0:
        promises.reserve_anew(state, order)
    else:
        position: i64 = state.orders.words[order + O_OWNER] & POSITION_MASK
        promises.add_reserved(state, position, promises.reserved_by(state, order))


def _restore_link(state: State, data: bytes, at: i64) -> None:
    """Link an order with the one that its terms name."""
    linked_id: i64 = read_i64_le(data, at + 8 * (1 + len(TERMS_FIELDS)))
    if linked_id == 0:
        return
    orders = state.orders
    order: i64 = state.open_order(read_i64_le(data, at))
    other: i64 = state.open_order(linked_id)
    if orders.cold_of(other) == 0:
        make_cold(state, other)
    orders.cold[orders.cold_of(order) + X_PARTNER] = other
    orders.cold[orders.cold_of(other) + X_PARTNER] = order


def _queue(state: State, order: i64) -> None:
    """Put a restored order where it stood."""
    row: i64 = state.orders.cold_of(order)
    place: i64 = IN_BOOK if row == 0 else state.orders.cold[row + X_PLACE]
    if place == IN_BOOK:
        book.enter(state, order)
    elif place in (IN_STOPS, IS_REACHED):
        waiting.enter_stops(state, order, place == IS_REACHED)
    elif place == IN_AUCTION:
        waiting.enter_auction(state, order)
    elif place == IS_WOKEN:
        wake(state, order)
