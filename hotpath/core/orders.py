"""The table of open orders: hot rows, ages and cold rows, and each account's chain of them."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import Accounts
from hotpath.core.layout import (
    A_OPEN_ORDERS,
    AGE_ACCEPTED,
    AGE_ARRIVED,
    COLD_ROW_SHIFT,
    COLD_SHIFT,
    O_ID,
    O_LEAVES,
    O_NEWER,
    O_NEXT,
    O_OLDER,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    P_ACCOUNT,
    P_NEWEST_ORDER,
    P_OPEN_ORDERS,
    POSITION_MASK,
    SIDE_MASK,
    X_ORDER,
)
from hotpath.core.positions import Positions
from hotpath.core.words import grown, next_capacity, zeros

_FIRST_CAPACITY: Final = 1024
_FIRST_COLD: Final = 64
_COLD_WORDS: Final = 1 << COLD_ROW_SHIFT
DRAFT: Final = _COLD_WORDS  # the cold row of an order that is being judged
_SPARE: Final = 1  # an order that may not rest needs a row while it is worked on


@final
class Orders:
    """The orders of all instruments. An order is named by its offset; 0 is none."""

    def __init__(self, accounts: Accounts, positions: Positions, max_orders: i64) -> None:
        self.accounts = accounts
        self.positions = positions
        self.maximum: i64 = max_orders
        self.capacity: i64 = min(max_orders + _SPARE, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) << ORDER_SHIFT)
        self.ages: vec[i64] = zeros((self.capacity + 1) << 1)
        self.count: i64 = 0
        self.clock: i64 = 0  # grows with each order accepted and each arrival in the book
        self.fresh: i64 = 1 << ORDER_SHIFT  # lowest offset never used
        self.free: i64 = 0  # first of the chain of records given back
        self.cold: vec[i64] = zeros(_FIRST_COLD << COLD_ROW_SHIFT)
        self.cold_fresh: i64 = DRAFT + _COLD_WORDS
        self.cold_free: i64 = 0

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, order_id: i64, price: i64, leaves: i64, position: i64, side: i64) -> i64:
        """Return a new order of its account that is in no queue yet. The caller sees it fits.

        `words` and `ages` may be other vecs afterwards.
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
        words[order + O_OWNER] = position | side
        words[order + O_OLDER] = older
        words[order + O_NEWER] = 0
        if older != 0:
            words[older + O_NEWER] = order
        positions[position + P_NEWEST_ORDER] = order
        self.count += 1
        clock: i64 = self.clock + 1
        self.clock = clock
        age: i64 = order >> 2
        self.ages[age + AGE_ACCEPTED] = clock
        self.ages[age + AGE_ARRIVED] = clock
        _count_open(positions, self.accounts.words, position, side, 1)
        return order

    def _never_used(self) -> i64:
        order: i64 = self.fresh
        self.fresh = order + (1 << ORDER_SHIFT)
        if order >> ORDER_SHIFT > self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum + _SPARE)
            self.words = grown(self.words, (self.capacity + 1) << ORDER_SHIFT)
            self.ages = grown(self.ages, (self.capacity + 1) << 1)
        return order

    def remove(self, order: i64) -> None:
        """Give up an order that has left its queue, and its cold row."""
        words = self.words
        positions = self.positions.words
        owner: i64 = words[order + O_OWNER]
        position: i64 = owner & POSITION_MASK
        older: i64 = words[order + O_OLDER]
        newer: i64 = words[order + O_NEWER]
        if older != 0:
            words[older + O_NEWER] = newer
        if newer != 0:
            words[newer + O_OLDER] = older
        else:
            positions[position + P_NEWEST_ORDER] = older
        self.count -= 1
        _count_open(positions, self.accounts.words, position, owner & SIDE_MASK, -1)
        if owner >> COLD_SHIFT != 0:
            self._give_back(owner >> COLD_SHIFT << COLD_ROW_SHIFT)
        self.ages[(order >> 2) + AGE_ACCEPTED] = 0
        words[order + O_NEXT] = self.free
        self.free = order

    def arrive(self, order: i64) -> None:
        """Put an order behind all others in age."""
        self.clock += 1
        self.ages[(order >> 2) + AGE_ARRIVED] = self.clock

    def arrived(self, order: i64) -> i64:
        return self.ages[(order >> 2) + AGE_ARRIVED]

    def accepted(self, order: i64) -> i64:
        """Return the age of an open order; 0: the record is free."""
        return self.ages[(order >> 2) + AGE_ACCEPTED]

    # --- cold rows -------------------------------------------------------------------------------

    def cold_of(self, order: i64) -> i64:
        """Return the offset of an order's cold row, or 0."""
        return self.words[order + O_OWNER] >> COLD_SHIFT << COLD_ROW_SHIFT

    def add_cold(self, order: i64) -> i64:
        """Give an order a cold row of zeros; return its offset. `cold` may be another vec then."""
        row: i64 = self.cold_free
        if row != 0:
            self.cold_free = self.cold[row + X_ORDER]
        else:
            row = self.cold_fresh
            self.cold_fresh = row + _COLD_WORDS
            if self.cold_fresh > len(self.cold):
                self.cold = grown(self.cold, 2 * len(self.cold))
        self.blank(row)
        cold = self.cold
        cold[row + X_ORDER] = order
        owner: i64 = self.words[order + O_OWNER]
        self.words[order + O_OWNER] = owner | row >> COLD_ROW_SHIFT << COLD_SHIFT
        return row

    def blank(self, row: i64) -> None:
        cold = self.cold
        word: i64 = row
        while word < row + _COLD_WORDS:
            cold[word] = 0
            word += 1

    def _give_back(self, row: i64) -> None:
        self.cold[row + X_ORDER] = self.cold_free
        self.cold_free = row


def _count_open(
    positions: vec[i64], accounts: vec[i64], position: i64, side: i64, change: i64
) -> None:
    in_account: i64 = positions[position + P_ACCOUNT] + A_OPEN_ORDERS
    in_position: i64 = position + P_OPEN_ORDERS
    positions[in_position] = positions[in_position] + (change << (side << 5))
    accounts[in_account] = accounts[in_account] + change
