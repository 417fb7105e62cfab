"""The prices that stops look at; and trailing stops, which each trade triggers or pulls along."""

from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.layout import (
    I_FOLLOWERS,
    I_HIGH,
    I_LAST,
    I_LOW,
    IN_STOPS,
    IS_REACHED,
    X_AFTER,
    X_OFFSET,
    X_ORDER,
    X_PLACE,
    X_STOP,
    X_TYPE,
)
from hotpath.core.state import State
from shared.domain.records import BUY, TRAILING_STOP


def note_price(state: State, instrument: i64, price: i64) -> None:
    """Remember the last price for collars and stops, and pull trailing stops along."""
    words = state.instruments.words
    words[instrument + I_LAST] = price
    words[instrument + I_HIGH] = max(words[instrument + I_HIGH], price)
    words[instrument + I_LOW] = min(words[instrument + I_LOW], price)
    state.work_due = True
    cold = state.orders.cold
    row: i64 = words[instrument + I_FOLLOWERS]
    while row != 0:
        if cold[row + X_TYPE] == TRAILING_STOP and cold[row + X_PLACE] == IN_STOPS:
            _follow(state, row, price)
        row = cold[row + X_AFTER]


def _follow(state: State, row: i64, price: i64) -> None:
    cold = state.orders.cold
    side: i64 = book.side_of(state, cold[row + X_ORDER])
    if is_reached(side, cold[row + X_STOP], price):
        cold[row + X_PLACE] = IS_REACHED
    elif side == BUY:
        cold[row + X_STOP] = min(cold[row + X_STOP], price + cold[row + X_OFFSET])
    else:
        cold[row + X_STOP] = max(cold[row + X_STOP], price - cold[row + X_OFFSET])


def is_reached(side: i64, stop_price: i64, price: i64) -> bool:
    """Say whether a trade at the price triggers the stop."""
    return price >= stop_price if side == BUY else price <= stop_price
