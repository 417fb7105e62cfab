"""Positions: the lots of one account in one instrument, what its open orders promise, its orders.

One row per account, wide enough for every instrument, so that a position is found without a
search. The width is a power of two, so that the account and the instrument of a position are known
by its offset, before any word of it has come from memory.
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
    ROW_ROOM,
)
from hotpath.core.words import grown, next_capacity, zeros

_FIRST_CAPACITY: Final = 64


@final
class Positions:
    def __init__(self, max_accounts: i64, max_instruments: i64) -> None:
        self.maximum: i64 = max_accounts
        self.width_shift: i64 = 0
        while 1 << self.width_shift < max_instruments:
            self.width_shift += 1
        self.row_shift: i64 = self.width_shift + POSITION_SHIFT
        self.capacity: i64 = min(max_accounts, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros(self._words())

    def _words(self) -> i64:
        return ((self.capacity + 1) << self.row_shift) + ROW_ROOM

    def find(self, account: i64, instrument: i64) -> i64:
        """Return the offset of the position, given the offsets of account and instrument."""
        row: i64 = account >> ACCOUNT_SHIFT << self.row_shift
        return row + ((instrument >> INSTRUMENT_SHIFT) - 1 << POSITION_SHIFT)

    def account_of(self, position: i64) -> i64:
        """Return what the position's word P_ACCOUNT holds, without looking there."""
        return position >> self.row_shift << ACCOUNT_SHIFT

    def instrument_of(self, position: i64) -> i64:
        """Return what the position's word P_INSTRUMENT holds, without looking there."""
        place: i64 = position >> POSITION_SHIFT & ((1 << self.width_shift) - 1)
        return place + 1 << INSTRUMENT_SHIFT

    def add_account(self, account: i64) -> None:
        """Make the row of a new account."""
        if account >> ACCOUNT_SHIFT > self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, self._words())
        words = self.words
        slot: i64 = 1
        while slot <= 1 << self.width_shift:
            instrument: i64 = slot << INSTRUMENT_SHIFT
            position: i64 = self.find(account, instrument)
            words[position + P_ACCOUNT] = account
            words[position + P_INSTRUMENT] = instrument
            slot += 1
