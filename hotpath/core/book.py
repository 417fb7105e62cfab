"""Open orders: their records, and the two chains each stands in.

One chain is its price level, first come first served; the other is the orders of its account in
the instrument, newest first. Functions that are called for every command take the tables that they
read and write as arguments: a caller that has them at hand need not fetch them again.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import A_OPEN_ORDERS, Accounts
from hotpath.core.ladder import L_HEAD, L_LOTS, L_ORDERS, L_TAIL, LEVEL_SHIFT, Ladder
from hotpath.core.positions import P_ACCOUNT, P_NEWEST_ORDER, P_OPEN_ORDERS, Positions
from hotpath.core.words import grown, next_capacity, zeros

# An order: one cache line. Links are offsets of other orders; 0: none.
O_ID: Final = 0
O_PRICE: Final = 1
O_LEAVES: Final = 2
O_PREVIOUS: Final = 3  # at its price level
O_NEXT: Final = 4  # at its price level; of a free record, the next free one
O_POSITION: Final = 5  # offset of its position, plus its side: offsets are multiples of 8
O_OLDER: Final = 6  # of its account in the instrument
O_NEWER: Final = 7
ORDER_SHIFT: Final = 3
SIDE_MASK: Final = 7

_FIRST_CAPACITY: Final = 1024


@final
class Book:
    """The orders of all instruments. An order is named by its offset; 0 is none."""

    def __init__(
        self, ladder: Ladder, accounts: Accounts, positions: Positions, max_orders: i64
    ) -> None:
        self.ladder = ladder
        self.accounts = accounts
        self.positions = positions
        self.maximum: i64 = max_orders
        self.capacity: i64 = min(max_orders, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) << ORDER_SHIFT)
        self.count: i64 = 0
        self.fresh: i64 = 1 << ORDER_SHIFT  # lowest offset never used
        self.free: i64 = 0  # first of the chain of records given back

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, order_id: i64, price: i64, leaves: i64, position: i64, side: i64) -> i64:
        """Return a new order of its account that is not at a level yet. The caller sees it fits.

        `words` may be another vec afterwards.
        """
        order: i64 = self.free
        if order == 0:
            order = self._never_used()
        else:
            self.free = self.words[order + O_NEXT]
        words = self.words
        positions = self.positions.words
        older: i64 = positions[position + P_NEWEST_ORDER]
        words[order + O_ID] = order_id
        words[order + O_PRICE] = price
        words[order + O_LEAVES] = leaves
        words[order + O_POSITION] = position | side
        words[order + O_OLDER] = older
        words[order + O_NEWER] = 0
        if older != 0:
            words[older + O_NEWER] = order
        positions[position + P_NEWEST_ORDER] = order
        self.count += 1
        _count_open(positions, self.accounts.words, position, 1)
        return order

    def _never_used(self) -> i64:
        order: i64 = self.fresh
        self.fresh = order + (1 << ORDER_SHIFT)
        if order >> ORDER_SHIFT > self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, (self.capacity + 1) << ORDER_SHIFT)
        return order

    def remove(self, order: i64) -> None:
        """Give up an order that has left its level."""
        words = self.words
        positions = self.positions.words
        position: i64 = words[order + O_POSITION] & ~SIDE_MASK
        older: i64 = words[order + O_OLDER]
        newer: i64 = words[order + O_NEWER]
        if older != 0:
            words[older + O_NEWER] = newer
        if newer != 0:
            words[newer + O_OLDER] = older
        else:
            positions[position + P_NEWEST_ORDER] = older
        self.count -= 1
        _count_open(positions, self.accounts.words, position, -1)
        words[order + O_NEXT] = self.free
        self.free = order


def _count_open(positions: vec[i64], accounts: vec[i64], position: i64, change: i64) -> None:
    in_account: i64 = positions[position + P_ACCOUNT] + A_OPEN_ORDERS
    in_position: i64 = position + P_OPEN_ORDERS
    positions[in_position] = positions[in_position] + change
    accounts[in_account] = accounts[in_account] + change


def enter_level(ladder: Ladder, orders: vec[i64], order: i64, side: i64, level: i64) -> i64:
    """Put the order last in its level; return the level's new total. `side`: see Ladder."""
    levels = ladder.levels
    at: i64 = level << LEVEL_SHIFT
    last: i64 = levels[at + L_TAIL]
    orders[order + O_PREVIOUS] = last
    orders[order + O_NEXT] = 0
    levels[at + L_TAIL] = order
    if last != 0:
        orders[last + O_NEXT] = order
    else:
        levels[at + L_HEAD] = order
        ladder.mark(side, level)
    lots: i64 = levels[at + L_LOTS] + orders[order + O_LEAVES]
    levels[at + L_LOTS] = lots
    levels[at + L_ORDERS] = levels[at + L_ORDERS] + 1
    return lots


def leave_level(ladder: Ladder, orders: vec[i64], order: i64, side: i64, level: i64) -> i64:
    """Take the order out of its level; return the level's new total. `side`: see Ladder."""
    levels = ladder.levels
    at: i64 = level << LEVEL_SHIFT
    before: i64 = orders[order + O_PREVIOUS]
    after: i64 = orders[order + O_NEXT]
    if before != 0:
        orders[before + O_NEXT] = after
    else:
        levels[at + L_HEAD] = after
    if after != 0:
        orders[after + O_PREVIOUS] = before
    else:
        levels[at + L_TAIL] = before
    lots: i64 = levels[at + L_LOTS] - orders[order + O_LEAVES]
    levels[at + L_LOTS] = lots
    levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
    if before == 0 and after == 0:
        ladder.clear(side, level)
    return lots


def reduce(levels: vec[i64], orders: vec[i64], order: i64, level: i64, leaves: i64) -> i64:
    """Make the order smaller where it stands; return the level's new total."""
    at: i64 = (level << LEVEL_SHIFT) + L_LOTS
    lots: i64 = levels[at] - (orders[order + O_LEAVES] - leaves)
    levels[at] = lots
    orders[order + O_LEAVES] = leaves
    return lots
