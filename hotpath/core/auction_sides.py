"""Who takes part in an auction, best first: the book's orders and those that wait for it."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import book, leaving
from hotpath.core.ladder import key_of
from hotpath.core.layout import (
    I_SESSION,
    IN_AUCTION,
    L_HEAD,
    O_NEXT,
    O_PRICE,
    TREE_CLOSE,
    TREE_OPEN,
    X_LIMIT,
)
from hotpath.core.state import State
from shared.domain.records import (
    BUY,
    SESSION_CLOSING_AUCTION,
    SESSION_OPENING_UNCROSS,
    SESSION_PRE_OPEN,
)


@final
class AuctionSide:
    """Walks through one side's orders of an auction, best first: the book's merged with those
    that wait for this auction."""

    def __init__(self, state: State, instrument: i64, side: i64) -> None:
        self.state: Final = state
        self.instrument = instrument
        self.side: i64 = side
        self.tree: i64 = waiting_tree(state, instrument, side)
        self.level: i64 = book.first_level(state, instrument, side)
        self.resting: i64 = 0
        if self.level != 0:
            self.resting = state.ladder.levels[self.level + L_HEAD]
        self.waiting: i64 = 0 if self.tree == 0 else book.first_waiting(state, self.tree)

    def order(self) -> i64:
        """Return the order at hand; 0: there are no more."""
        if self.resting == 0 or self.waiting == 0:
            return self.resting | self.waiting
        one: i64 = limit_of(self.state, self.resting)
        two: i64 = limit_of(self.state, self.waiting)
        if one != two:
            better: bool = one > two if self.side == BUY else one < two
            return self.resting if better else self.waiting
        orders = self.state.orders
        if book.class_of(orders, self.resting) != book.class_of(orders, self.waiting):
            return self.waiting  # it is displayed as far as priority goes, the other is dark
        is_older: bool = orders.arrived(self.resting) < orders.arrived(self.waiting)
        return self.resting if is_older else self.waiting

    def advance(self) -> None:
        """Go to the next order. The one at hand may leave its queue after that."""
        state = self.state
        if self.order() == self.resting:
            following: i64 = state.orders.words[self.resting + O_NEXT]
            if following == 0:
                self.level = book.next_level(state, self.instrument, self.side, self.level)
                if self.level != 0:
                    following = state.ladder.levels[self.level + L_HEAD]
            self.resting = following
            return
        key: i64 = key_of(self.side, limit_of(state, self.waiting))
        trees = state.ladder.trees
        self.waiting = book.next_waiting(state, trees, self.tree, key, self.waiting)


def limit_of(state: State, order: i64) -> i64:
    """Return where an order takes part: at its price in the book, else at its limit."""
    if leaving.place_of(state, order) == IN_AUCTION:
        return state.orders.cold[state.orders.cold_of(order) + X_LIMIT]
    return state.orders.words[order + O_PRICE]


def waiting_tree(state: State, instrument: i64, side: i64) -> i64:
    """Return the tree of the orders that wait for the auction of this session, or 0."""
    session: i64 = state.instruments.words[instrument + I_SESSION]
    if session in (SESSION_PRE_OPEN, SESSION_OPENING_UNCROSS):
        return state.instruments.tree(instrument, TREE_OPEN, side)
    if session == SESSION_CLOSING_AUCTION:
        return state.instruments.tree(instrument, TREE_CLOSE, side)
    return 0
