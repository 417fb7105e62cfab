"""Accounts: cash and what it is promised for, limits, state; and the withdrawals under way."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ids import NOT_FOUND, IdTable
from hotpath.core.words import grown, next_capacity, zeros
from shared.domain.records import ACCOUNT_ACTIVE, NO_LIMIT

# An account. Its offset is slot x 16; slot 0 stays empty, so that offset 0 means unknown.
A_TOTAL: Final = 0  # cash_minor, unsettled trades included
A_RESERVED: Final = 1  # for open buy orders
A_HELD: Final = 2  # for withdrawals under way
A_SETTLED: Final = 3
A_STATE: Final = 4
A_CURRENCY: Final = 5
A_ID: Final = 6
A_OPEN_ORDERS: Final = 7
A_MAX_ORDER_LOTS: Final = 8
A_MAX_ORDER_VALUE: Final = 9
A_MAX_POSITION: Final = 10
A_MAX_OPEN_ORDERS: Final = 11
A_SEQUENCE: Final = 12  # of the command that added it
ACCOUNT_SHIFT: Final = 4

_FIRST_CAPACITY: Final = 64


@final
class Accounts:
    def __init__(self, max_accounts: i64) -> None:
        self.maximum: i64 = max_accounts
        self.capacity: i64 = min(max_accounts, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) << ACCOUNT_SHIFT)
        self.slots = IdTable(self.capacity, max_accounts)
        self.count: i64 = 0
        self.issued_minor: i64 = 0  # cash that came in less what left; the sum of all totals

    def find(self, account_id: i64) -> i64:
        """Return the offset of the account (id > 0), or 0 when it is unknown."""
        row: i64 = self.slots.find(account_id)
        if row == NOT_FOUND:
            return 0
        return self.slots.slot(row) << ACCOUNT_SHIFT

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, account_id: i64, currency: i64, sequence: i64) -> i64:
        """Add an active account without cash or limits; return its offset."""
        if self.count >= self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, (self.capacity + 1) << ACCOUNT_SHIFT)
        self.count += 1
        self.slots.insert(account_id, sequence, self.count)
        offset: i64 = self.count << ACCOUNT_SHIFT
        words = self.words
        words[offset + A_STATE] = ACCOUNT_ACTIVE
        words[offset + A_CURRENCY] = currency
        words[offset + A_ID] = account_id
        words[offset + A_SEQUENCE] = sequence
        self.set_limits(offset, NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT)
        return offset

    def set_limits(
        self, offset: i64, order_lots: i64, order_value: i64, position: i64, open_orders: i64
    ) -> None:
        words = self.words
        words[offset + A_MAX_ORDER_LOTS] = order_lots
        words[offset + A_MAX_ORDER_VALUE] = order_value
        words[offset + A_MAX_POSITION] = position
        words[offset + A_MAX_OPEN_ORDERS] = open_orders

    def available_minor(self, offset: i64) -> i64:
        """Return the buying power."""
        words = self.words
        return words[offset + A_TOTAL] - words[offset + A_RESERVED] - words[offset + A_HELD]

    def withdrawable_minor(self, offset: i64) -> i64:
        """Return the cash that is both settled and promised to nobody."""
        words = self.words
        settled: i64 = words[offset + A_SETTLED] - words[offset + A_HELD]
        return min(settled, self.available_minor(offset))


# A hold, by slot x 4.
H_ID: Final = 0
H_ACCOUNT: Final = 1  # offset of the account
H_AMOUNT: Final = 2
H_NEXT_FREE: Final = 3
HOLD_SHIFT: Final = 2


@final
class Holds:
    """Withdrawals that are held and neither confirmed nor released."""

    def __init__(self, max_holds: i64) -> None:
        self.maximum: i64 = max_holds
        self.capacity: i64 = min(max_holds, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) << HOLD_SHIFT)
        self.count: i64 = 0
        self.fresh: i64 = 1  # lowest slot never used
        self.free: i64 = 0  # first slot of the chain of those given back

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, hold_id: i64, account: i64, amount_minor: i64) -> i64:
        """Return the slot of a new hold. The caller sees that it fits."""
        slot: i64 = self.free
        if slot != 0:
            self.free = self.words[(slot << HOLD_SHIFT) + H_NEXT_FREE]
        else:
            slot = self.fresh
            self.fresh = slot + 1
            if slot > self.capacity:
                self.capacity = next_capacity(self.capacity, self.maximum)
                self.words = grown(self.words, (self.capacity + 1) << HOLD_SHIFT)
        self.count += 1
        words = self.words
        offset: i64 = slot << HOLD_SHIFT
        words[offset + H_ID] = hold_id
        words[offset + H_ACCOUNT] = account
        words[offset + H_AMOUNT] = amount_minor
        return slot

    def remove(self, slot: i64) -> None:
        offset: i64 = slot << HOLD_SHIFT
        self.words[offset + H_ID] = 0
        self.words[offset + H_NEXT_FREE] = self.free
        self.free = slot
        self.count -= 1
