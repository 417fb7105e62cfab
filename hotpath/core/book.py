"""Open orders: their records, and the two chains each stands in.

One chain is its price level, first come first served; the other is the orders of its account in
the instrument, newest first.
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
        """Return a new order of its account that is not at a level yet. The caller sees it fits."""
        order: i64 = self.free
        if order != 0:
            self.free = self.words[order + O_NEXT]
        else:
            order = self.fresh
            self.fresh = order + (1 << ORDER_SHIFT)
            if order >> ORDER_SHIFT > self.capacity:
                self.capacity = next_capacity(self.capacity, self.maximum)
                self.words = grown(self.words, (self.capacity + 1) << ORDER_SHIFT)
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
        self._count(position, 1)
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
        self._count(position, -1)
        words[order + O_NEXT] = self.free
        self.free = order

    def _count(self, position: i64, change: i64) -> None:
        positions = self.positions.words
        accounts = self.accounts.words
        open_orders: i64 = positions[position + P_ACCOUNT] + A_OPEN_ORDERS
        self.count += change
        positions[position + P_OPEN_ORDERS] = positions[position + P_OPEN_ORDERS] + change
        accounts[open_orders] = accounts[open_orders] + change

    def enter_level(self, order: i64, side: i64, level: i64) -> i64:
        """Put the order last in its level; return the level's new total. `side`: see Ladder."""
        words = self.words
        levels = self.ladder.levels
        at: i64 = level << LEVEL_SHIFT
        last: i64 = levels[at + L_TAIL]
        words[order + O_PREVIOUS] = last
        words[order + O_NEXT] = 0
        levels[at + L_TAIL] = order
        if last != 0:
            words[last + O_NEXT] = order
        else:
            levels[at + L_HEAD] = order
            self.ladder.mark(side, level)
        lots: i64 = levels[at + L_LOTS] + words[order + O_LEAVES]
        levels[at + L_LOTS] = lots
        levels[at + L_ORDERS] = levels[at + L_ORDERS] + 1
        return lots

    def leave_level(self, order: i64, side: i64, level: i64) -> i64:
        """Take the order out of its level; return the level's new total. `side`: see Ladder."""
        words = self.words
        levels = self.ladder.levels
        at: i64 = level << LEVEL_SHIFT
        before: i64 = words[order + O_PREVIOUS]
        after: i64 = words[order + O_NEXT]
        if before != 0:
            words[before + O_NEXT] = after
        else:
            levels[at + L_HEAD] = after
        if after != 0:
            words[after + O_PREVIOUS] = before
        else:
            levels[at + L_TAIL] = before
        lots: i64 = levels[at + L_LOTS] - words[order + O_LEAVES]
        levels[at + L_LOTS] = lots
        levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
        if before == 0 and after == 0:
            self.ladder.clear(side, level)
        return lots

    def reduce(self, order: i64, level: i64, leaves: i64) -> i64:
        """Make the order smaller where it stands; return the level's new total."""
        words = self.words
        levels = self.ladder.levels
        at: i64 = level << LEVEL_SHIFT
        lots: i64 = levels[at + L_LOTS] - (words[order + O_LEAVES] - leaves)
        levels[at + L_LOTS] = lots
        words[order + O_LEAVES] = leaves
        return lots
