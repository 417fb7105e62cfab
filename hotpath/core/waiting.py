"""Where orders wait beside the book: stops by their price, auction orders by their limit."""

from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.accounts import CASH_LEVERAGE
from hotpath.core.ladder import key_of
from hotpath.core.layout import (
    I_STOP_COUNT,
    IN_AUCTION,
    IN_BOOK,
    IN_STOPS,
    IS_REACHED,
    O_PRICE,
    TREE_CLOSE,
    TREE_OPEN,
    TREE_STOPS,
    X_LEVERAGE,
    X_LIMIT,
    X_PLACE,
    X_RESERVED,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from hotpath.core.state import State
from shared.domain.records import AT_OPEN, GTC, LIMIT, TRAILING_STOP


def stop_key(side: i64, stop_price: i64) -> i64:
    """Return a stop price's key: buys are due from the lowest, sells from the highest."""
    return key_of(1 - side, stop_price)


def enter_stops(state: State, order: i64, is_reached: bool) -> None:
    """Let a stop wait; trailing ones have no queue, they are followers of the instrument."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    instrument: i64 = book.instrument_of(state, order)
    orders.cold[row + X_PLACE] = IS_REACHED if is_reached else IN_STOPS
    if orders.cold[row + X_TYPE] != TRAILING_STOP:
        side: i64 = book.side_of(state, order)
        tree: i64 = state.instruments.tree(instrument, TREE_STOPS, side)
        book.wait_in(state, tree, stop_key(side, orders.cold[row + X_STOP]), order)
    _count_stop(state, instrument, 1)


def enter_auction(state: State, order: i64) -> None:
    """Let an at-open or at-close order wait for its auction."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    orders.cold[row + X_PLACE] = IN_AUCTION
    side: i64 = book.side_of(state, order)
    tree: i64 = _auction_tree(state, order, side)
    book.wait_in(state, tree, key_of(side, orders.cold[row + X_LIMIT]), order)


def leave(state: State, order: i64) -> None:
    """Take an order out of where it waits for a price or an auction."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    side: i64 = book.side_of(state, order)
    if orders.cold[row + X_PLACE] == IN_AUCTION:
        key: i64 = key_of(side, orders.cold[row + X_LIMIT])
        book.wait_no_more(state, _auction_tree(state, order, side), key, order)
        return
    instrument: i64 = book.instrument_of(state, order)
    if orders.cold[row + X_TYPE] != TRAILING_STOP:
        tree: i64 = state.instruments.tree(instrument, TREE_STOPS, side)
        book.wait_no_more(state, tree, stop_key(side, orders.cold[row + X_STOP]), order)
    _count_stop(state, instrument, -1)


def _count_stop(state: State, instrument: i64, change: i64) -> None:
    words = state.instruments.words
    words[instrument + I_STOP_COUNT] = words[instrument + I_STOP_COUNT] + change
    state.instruments.watch(instrument)


def _auction_tree(state: State, order: i64, side: i64) -> i64:
    row: i64 = state.orders.cold_of(order)
    opens: bool = state.orders.cold[row + X_TIME] == AT_OPEN
    instrument: i64 = book.instrument_of(state, order)
    return state.instruments.tree(instrument, TREE_OPEN if opens else TREE_CLOSE, side)


def fill_plain(state: State, order: i64, row: i64, reserved: i64) -> None:
    """Write a plain order of the book, good till cancelled, into a cold row."""
    cold = state.orders.cold
    cold[row + X_TYPE] = LIMIT
    cold[row + X_TIME] = GTC
    cold[row + X_PLACE] = IN_BOOK
    cold[row + X_LIMIT] = state.orders.words[order + O_PRICE]
    cold[row + X_LEVERAGE] = CASH_LEVERAGE
    cold[row + X_RESERVED] = reserved
