"""The table of open orders: hot rows, ages and cold rows, and each account's chain of them."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import Accounts
from hotpath.core.layout import (
    A_OPEN_ORDERS,
    CHAIN_SHIFT,
    COLD_ROW_SHIFT,
    COLD_SHIFT,
    O_ARRIVED,
    O_CHAIN,
    O_ID,
    O_LEAVES,
    O_NEXT,
    O_OWNER,
    O_PRICE,
    OLDER_MASK,
    ORDER_SHIFT,
    P_NEWEST_ORDER,
    P_OPEN_ORDERS,
    POSITION_MASK,
    ROW_ROOM,
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
        self.accounts: Final = accounts
        self.positions: Final = positions
        self.maximum: i64 = max_orders
        self.capacity: i64 = min(max_orders + _SPARE, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros(_words(self.capacity))
        # by slot: grows with each accepted order; 0: the record is free
        self.ages: vec[i64] = zeros(self.capacity + 1)
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
        self.make_room()
        words = self.words
        order: i64 = self.take_row(words)
        fill_row(words, order, order_id, price, leaves, position | side)
        account: i64 = self.positions.account_of(position)
        chain(words, self.accounts.words, self.positions.words, order, account, position, side)
        return order

    def make_room(self) -> None:
        """Grow if one more order needs it; the next `take_row` then leaves the tables in place."""
        if self.free == 0 and self.fresh >> ORDER_SHIFT > self.capacity:
            self._grow()

    def _grow(self) -> None:
        self.capacity = next_capacity(self.capacity, self.maximum + _SPARE)
        self.words = grown(self.words, _words(self.capacity))
        self.ages = grown(self.ages, self.capacity + 1)

    def take_row(self, words: vec[i64]) -> i64:
        """Return a row for a new order, which is the youngest of all. There is room."""
        order: i64 = self.free
        if order == 0:
            order = self.fresh
            self.fresh = order + (1 << ORDER_SHIFT)
        else:
            self.free = words[order + O_NEXT]
        self.count += 1
        clock: i64 = self.clock + 1
        self.clock = clock
        slot: i64 = order >> ORDER_SHIFT
        self.ages[slot] = clock
        words[order + O_ARRIVED] = clock
        return order

    def remove(self, order: i64) -> None:
        """Give up an order that has left its queue, and its cold row."""
        words = self.words
        owner: i64 = words[order + O_OWNER]
        account: i64 = self.positions.account_of(owner & POSITION_MASK)
        unchain(words, self.accounts.words, self.positions.words, order, account, owner)
        if owner >> COLD_SHIFT != 0:
            self._give_back(owner >> COLD_SHIFT << COLD_ROW_SHIFT)
        self.give_row(words, order)

    def give_row(self, words: vec[i64], order: i64) -> None:
        """Give back the row of an order that is in no queue and no chain."""
        slot: i64 = order >> ORDER_SHIFT
        self.ages[slot] = 0
        words[order + O_NEXT] = self.free
        self.free = order
        self.count -= 1

    def arrive(self, words: vec[i64], order: i64) -> None:
        """Put an order behind all others in age."""
        clock: i64 = self.clock + 1
        self.clock = clock
        words[order + O_ARRIVED] = clock

    def arrived(self, order: i64) -> i64:
        return self.words[order + O_ARRIVED]

    def older(self, order: i64) -> i64:
        """Return the next older order of the account in the instrument, or 0."""
        return self.words[order + O_CHAIN] & OLDER_MASK

    def accepted(self, order: i64) -> i64:
        """Return the age of an open order; 0: the record is free."""
        return self.ages[order >> ORDER_SHIFT]

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


def _words(capacity: i64) -> i64:
    return ((capacity + 1) << ORDER_SHIFT) + ROW_ROOM


# Plain orders come and go through these functions too, with the tables as arguments; see book.py.


def fill_row(
    words: vec[i64], order: i64, order_id: i64, price: i64, leaves: i64, owner: i64
) -> None:
    words[order + O_ID] = order_id
    words[order + O_PRICE] = price
    words[order + O_LEAVES] = leaves
    words[order + O_OWNER] = owner


def chain(
    words: vec[i64],
    accounts: vec[i64],
    positions: vec[i64],
    order: i64,
    account: i64,
    position: i64,
    side: i64,
) -> None:
    """Count a new order as open, and make it the newest of its account in its instrument."""
    older: i64 = positions[position + P_NEWEST_ORDER]
    words[order + O_CHAIN] = older
    if older != 0:
        words[older + O_CHAIN] = words[older + O_CHAIN] | order << CHAIN_SHIFT
    positions[position + P_NEWEST_ORDER] = order
    count_open(accounts, positions, account, position, side, 1)


def unchain(
    words: vec[i64],
    accounts: vec[i64],
    positions: vec[i64],
    order: i64,
    account: i64,
    owner: i64,
) -> None:
    """Take an order out of its account's orders. `owner` is its O_OWNER."""
    position: i64 = owner & POSITION_MASK
    older: i64 = words[order + O_CHAIN] & OLDER_MASK
    newer: i64 = words[order + O_CHAIN] >> CHAIN_SHIFT
    if older != 0:
        words[older + O_CHAIN] = words[older + O_CHAIN] & OLDER_MASK | newer << CHAIN_SHIFT
    if newer != 0:
        words[newer + O_CHAIN] = words[newer + O_CHAIN] >> CHAIN_SHIFT << CHAIN_SHIFT | older
    else:
        positions[position + P_NEWEST_ORDER] = older
    count_open(accounts, positions, account, position, owner & SIDE_MASK, -1)


def count_open(
    accounts: vec[i64],
    positions: vec[i64],
    account: i64,
    position: i64,
    side: i64,
    change: i64,
) -> None:
    in_account: i64 = account + A_OPEN_ORDERS
    in_position: i64 = position + P_OPEN_ORDERS
    positions[in_position] = positions[in_position] + (change << (side << 5))
    accounts[in_account] = accounts[in_account] + change
