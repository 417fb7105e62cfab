"""Positions: the lots of one account in one instrument, what its open orders promise, its orders.

One row per account, wide enough for every instrument, so that a position is found without a
search.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import (
    ACCOUNT_SHIFT,
    INSTRUMENT_SHIFT,
    P_ACCOUNT,
    P_INSTRUMENT,
    POSITION_SHIFT,
)
from hotpath.core.words import grown, next_capacity, zeros

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
