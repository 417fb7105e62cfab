"""Positions: the lots of one account in one instrument, what its open orders promise, its orders.

One row per account, wide enough for every instrument, so that a position is found without a
search.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import ACCOUNT_SHIFT
from hotpath.core.instruments import INSTRUMENT_SHIFT
from hotpath.core.words import grown, next_capacity, zeros

# A position: one cache line.
P_TOTAL: Final = 0  # lots, unsettled trades included
P_OPEN_LOTS: Final = 1  # + side: lots in open buy orders, lots in open sell orders
P_NEWEST_ORDER: Final = 3  # offset of the order that was accepted last; 0: none
P_OPEN_ORDERS: Final = 4
P_SETTLED: Final = 5
P_ACCOUNT: Final = 6  # offset of the account
P_INSTRUMENT: Final = 7  # offset of the instrument
POSITION_SHIFT: Final = 3

_FIRST_CAPACITY: Final = 64


@final
class Positions:
    def __init__(self, max_accounts: i64, max_instruments: i64) -> None:
        self.maximum: i64 = max_accounts
        self.width: i64 = max_instruments + 1
        self.capacity: i64 = min(max_accounts, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) * self.width << POSITION_SHIFT)

    def find(self, account: i64, instrument: i64) -> i64:
        """Return the offset of the position, given the offsets of account and instrument."""
        row: i64 = (account >> ACCOUNT_SHIFT) * self.width
        return row + (instrument >> INSTRUMENT_SHIFT) << POSITION_SHIFT

    def add_account(self, account: i64) -> None:
        """Make the row of a new account."""
        if account >> ACCOUNT_SHIFT > self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, (self.capacity + 1) * self.width << POSITION_SHIFT)
        words = self.words
        slot: i64 = 1
        while slot < self.width:
            instrument: i64 = slot << INSTRUMENT_SHIFT
            position: i64 = self.find(account, instrument)
            words[position + P_ACCOUNT] = account
            words[position + P_INSTRUMENT] = instrument
            slot += 1
