"""Pegged orders: the price they should have, which are not there, and how they leave the book."""

from typing import Final

from mypy_extensions import i64

from hotpath.core import book, prices
from hotpath.core.layout import (
    I_FOLLOWERS,
    I_PEG_COUNT,
    I_SESSION,
    IN_BOOK,
    IS_UNPEGGED,
    O_ID,
    O_LEAVES,
    O_PRICE,
    X_AFTER,
    X_LIMIT,
    X_OFFSET,
    X_ORDER,
    X_PEG,
    X_PLACE,
    X_TYPE,
)
from hotpath.core.leaving import event_header
from hotpath.core.state import State
from shared.domain.records import (
    BUY,
    MAX_PRICE_TICKS,
    ORDER_REPRICED,
    PEG_MIDPOINT,
    PEG_PRIMARY,
    PEGGED,
    SESSION_CONTINUOUS,
)

_YOUNGEST: Final = 1 << 62


def target(state: State, instrument: i64, side: i64, row: i64) -> i64:
    """Return the price that a pegged order should have now; 0: there is nothing to follow."""
    if state.instruments.words[instrument + I_SESSION] != SESSION_CONTINUOUS:
        return 0
    own: i64 = book.best_displayed(state, instrument, side)
    other: i64 = book.best_displayed(state, instrument, 1 - side)
    return target_between(state, instrument, side, row, own, other)


def target_between(state: State, instrument: i64, side: i64, row: i64, own: i64, other: i64) -> i64:
    """The same, given the best displayed prices of the order's side and the other."""
    cold = state.orders.cold
    peg: i64 = cold[row + X_PEG]
    base: i64 = own if peg == PEG_PRIMARY else other
    if peg == PEG_MIDPOINT:
        if own == 0 or other == 0:
            return 0
        base = (own + other) // 2 if side == BUY else (own + other + 1) // 2
    if base == 0:
        return 0
    price: i64 = 0
    if side == BUY:
        price = min(base - cold[row + X_OFFSET], cold[row + X_LIMIT])
    else:
        price = max(base + cold[row + X_OFFSET], cold[row + X_LIMIT])
    if price <= 0 or price > MAX_PRICE_TICKS:
        return 0
    price = prices.to_tick(state, instrument, price, side)
    return prices.within_band(state, instrument, side, price)


def first_stale(state: State, instrument: i64) -> i64:
    """Return the oldest pegged order that stands at another price than it should, or 0."""
    words = state.instruments.words
    if words[instrument + I_PEG_COUNT] == 0:
        return 0
    continuous: bool = words[instrument + I_SESSION] == SESSION_CONTINUOUS
    bid: i64 = book.best_displayed(state, instrument, BUY) if continuous else 0
    offer: i64 = book.best_displayed(state, instrument, 1 - BUY) if continuous else 0
    orders = state.orders
    cold = orders.cold
    row: i64 = words[instrument + I_FOLLOWERS]
    found: i64 = 0
    oldest: i64 = _YOUNGEST
    while row != 0:
        order: i64 = cold[row + X_ORDER]
        place: i64 = cold[row + X_PLACE]
        if cold[row + X_TYPE] == PEGGED and (place in (IN_BOOK, IS_UNPEGGED)):
            side: i64 = book.side_of(state, order)
            own: i64 = bid if side == BUY else offer
            other: i64 = offer if side == BUY else bid
            wanted: i64 = 0
            if continuous:
                wanted = target_between(state, instrument, side, row, own, other)
            now: i64 = orders.words[order + O_PRICE] if place == IN_BOOK else 0
            if wanted != now and orders.arrived(order) < oldest:
                found = order
                oldest = orders.arrived(order)
        row = cold[row + X_AFTER]
    return found


def park(state: State, instrument: i64) -> None:
    """Take all pegged orders out of the book: continuous trading is over for now."""
    while True:
        order: i64 = first_stale(state, instrument)
        if order == 0:
            return
        old: i64 = state.orders.words[order + O_PRICE]
        level: i64 = unpeg(state, order)
        report(state, order, 0, level, old, 0)


def unpeg(state: State, order: i64) -> i64:
    """Let a pegged order wait out of the book; return the total left at its price."""
    level: i64 = book.leave(state, order)
    state.orders.cold[state.orders.cold_of(order) + X_PLACE] = IS_UNPEGGED
    return level


def report(state: State, order: i64, price: i64, old_level: i64, old: i64, level: i64) -> None:
    orders = state.orders
    order_id: i64 = orders.words[order + O_ID]
    header: i64 = event_header(state, order, ORDER_REPRICED)
    leaves: i64 = orders.words[order + O_LEAVES]
    state.events.emit(header, order_id, order_id >> 32, price, leaves, old_level, old, level)
