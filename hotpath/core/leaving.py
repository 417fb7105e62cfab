"""How orders leave, and what their leaving or trading does to the order they are linked to."""

from mypy_extensions import i64

from hotpath.core import book, followers, promises, waiting
from hotpath.core.codes import CANCEL_LINKED
from hotpath.core.layout import (
    I_ID,
    I_WOKEN,
    IN_AUCTION,
    IN_BOOK,
    IN_STOPS,
    IS_REACHED,
    IS_WOKEN,
    O_ID,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    SIDE_MASK,
    X_LIMIT,
    X_LINK,
    X_PARTNER,
    X_PLACE,
    X_WOKEN_NEXT,
)
from hotpath.core.state import State
from shared.domain.records import (
    FLAG_WAITING,
    LINK_AFTER_OTHER,
    LINK_CANCELS_OTHER,
    ORDER_CANCELLED,
    ORDER_EXPIRED,
)


def event_header(state: State, order: i64, kind: i64) -> i64:
    """Return the header of an event of an order."""
    side: i64 = state.orders.words[order + O_OWNER] & SIDE_MASK
    number: i64 = state.instruments.words[book.instrument_of(state, order) + I_ID]
    return kind | side << 8 | number << 48


def place_of(state: State, order: i64) -> i64:
    row: i64 = state.orders.cold_of(order)
    return IN_BOOK if row == 0 else state.orders.cold[row + X_PLACE]


def cancel(state: State, order: i64, reason: i64, expires: bool = False) -> None:
    """Take an open order off, and the order that waits for it."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    place: i64 = place_of(state, order)
    price: i64 = orders.words[order + O_PRICE] if place == IN_BOOK else orders.cold[row + X_LIMIT]
    level: i64 = book.leave(state, order) if place == IN_BOOK else 0
    if place in (IN_STOPS, IS_REACHED, IN_AUCTION):
        waiting.leave(state, order)
    elif place == IS_WOKEN:
        take_woken(state, order)
    order_id: i64 = orders.words[order + O_ID]
    leaves: i64 = orders.words[order + O_LEAVES]
    kind: i64 = ORDER_EXPIRED if expires else ORDER_CANCELLED
    header: i64 = event_header(state, order, kind) | reason << 16
    if place != IN_BOOK:
        header = header | FLAG_WAITING << 32
    state.events.emit(header, order_id, order_id >> 32, price, leaves, 0, 0, level)
    child: i64 = _child_of(state, order)
    close(state, order)
    if child != 0:
        cancel(state, child, CANCEL_LINKED)


def close(state: State, order: i64) -> None:
    """Forget an order that has left its queue, with all that it promised."""
    promises.give_back(state, order)
    if state.orders.cold_of(order) != 0:
        unlink(state, order)
        followers.forget(state, order)
    state.close(order)


def after_trade(state: State, order: i64) -> None:
    """Cancel the order that a trade of this one excludes; close this one if it is filled, and wake
    the order that waited for it. A filled order has left its queue already."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    if row != 0:
        partner: i64 = orders.cold[row + X_PARTNER]
        is_open: bool = partner != 0 and orders.words[partner + O_LEAVES] != 0
        if is_open and excludes(state, order, partner):
            cancel(state, partner, CANCEL_LINKED)
    if orders.words[order + O_LEAVES] == 0:
        child: i64 = _child_of(state, order)
        close(state, order)
        if child != 0:
            wake(state, child)


# --- links ---------------------------------------------------------------------------------------


def link(state: State, order: i64, other: i64) -> None:
    """Tie an order with a cold row, which names its link, to another one."""
    orders = state.orders
    if orders.cold_of(other) == 0:
        make_cold(state, other)
    orders.cold[orders.cold_of(order) + X_PARTNER] = other
    orders.cold[orders.cold_of(other) + X_PARTNER] = order


def make_cold(state: State, order: i64) -> i64:
    """Give a plain order of the book a cold row that says the same."""
    reserved: i64 = promises.reserved_by(state, order)
    row: i64 = state.orders.add_cold(order)
    waiting.fill_plain(state, order, row, reserved)
    return row


def unlink(state: State, order: i64) -> None:
    """End an order's link at both ends."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    partner: i64 = orders.cold[row + X_PARTNER]
    if partner == 0:
        return
    other: i64 = orders.cold_of(partner)
    orders.cold[row + X_PARTNER] = 0
    orders.cold[row + X_LINK] = 0
    orders.cold[other + X_PARTNER] = 0
    orders.cold[other + X_LINK] = 0


def excludes(state: State, order: i64, partner: i64) -> bool:
    orders = state.orders
    one: i64 = orders.cold[orders.cold_of(order) + X_LINK]
    two: i64 = orders.cold[orders.cold_of(partner) + X_LINK]
    return one == LINK_CANCELS_OTHER or two == LINK_CANCELS_OTHER


def _child_of(state: State, order: i64) -> i64:
    """Return the order that waits until this one is filled, or 0."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    if row == 0:
        return 0
    partner: i64 = orders.cold[row + X_PARTNER]
    if partner == 0 or orders.cold[orders.cold_of(partner) + X_LINK] != LINK_AFTER_OTHER:
        return 0
    return partner


def wake(state: State, order: i64) -> None:
    """Chain an order whose parent is filled to those that begin soon, by age."""
    orders = state.orders
    cold = orders.cold
    row: i64 = orders.cold_of(order)
    cold[row + X_PLACE] = IS_WOKEN
    head: i64 = book.instrument_of(state, order) + I_WOKEN
    before: i64 = 0
    after: i64 = state.instruments.words[head]
    while after != 0 and orders.arrived(after) < orders.arrived(order):
        before = after
        after = cold[orders.cold_of(after) + X_WOKEN_NEXT]
    cold[row + X_WOKEN_NEXT] = after
    if before == 0:
        state.instruments.words[head] = order
    else:
        cold[orders.cold_of(before) + X_WOKEN_NEXT] = order
    state.work_due = True


def take_woken(state: State, order: i64) -> None:
    """Take an order that woke out of the chain of those."""
    orders = state.orders
    cold = orders.cold
    head: i64 = book.instrument_of(state, order) + I_WOKEN
    before: i64 = 0
    found: i64 = state.instruments.words[head]
    while found != order:
        before = found
        found = cold[orders.cold_of(found) + X_WOKEN_NEXT]
    after: i64 = cold[orders.cold_of(order) + X_WOKEN_NEXT]
    if before == 0:
        state.instruments.words[head] = after
    else:
        cold[orders.cold_of(before) + X_WOKEN_NEXT] = after
