"""Accounts: cash and what it is promised for, limits, state; and amounts that wait under an id."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ids import NOT_FOUND, IdTable
from hotpath.core.layout import (
    A_CURRENCY,
    A_ID,
    A_LEVERAGE,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OWNER,
    A_SEQUENCE,
    A_STATE,
    A_THROTTLE,
    ACCOUNT_SHIFT,
    ROW_ROOM,
)
from hotpath.core.words import grown, next_capacity, zeros
from shared.domain.records import ACCOUNT_ACTIVE, NO_LIMIT

CASH_LEVERAGE: Final = 100  # hundredths: a cash account
_FIRST_CAPACITY: Final = 64


@final
class Accounts:
    def __init__(self, max_accounts: i64) -> None:
        self.maximum: i64 = max_accounts
        self.capacity: i64 = min(max_accounts, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros(((self.capacity + 1) << ACCOUNT_SHIFT) + ROW_ROOM)
        self.slots: Final = IdTable(self.capacity, max_accounts)
        self.count: i64 = 0
        self.issued_minor: i64 = 0  # cash that came in less what left
        self.fees_minor: i64 = 0  # that the house has collected: all totals + fees = issued

    def find(self, account_id: i64) -> i64:
        """Return the offset of the account (id > 0), or 0 when it is unknown."""
        row: i64 = self.slots.find(account_id)
        if row == NOT_FOUND:
            return 0
        return self.slots.slot(row) << ACCOUNT_SHIFT

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, account_id: i64, currency: i64, sequence: i64) -> i64:
        """Add an active cash account without cash or limits; return its offset."""
        if self.count >= self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, ((self.capacity + 1) << ACCOUNT_SHIFT) + ROW_ROOM)
        self.count += 1
        self.slots.insert(account_id, sequence, self.count)
        offset: i64 = self.count << ACCOUNT_SHIFT
        words = self.words
        words[offset + A_STATE] = ACCOUNT_ACTIVE
        words[offset + A_CURRENCY] = currency
        words[offset + A_ID] = account_id
        words[offset + A_OWNER] = owner(account_id, 0)
        words[offset + A_LEVERAGE] = CASH_LEVERAGE
        words[offset + A_SEQUENCE] = sequence
        words[offset + A_THROTTLE + 1] = -1
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


def owner(account_id: i64, group: i64) -> i64:
    """Return A_OWNER: the group's, or an account's own when it has no group."""
    if group != 0:
        return group
    return account_id | 1 << 32


# An amount that waits, by slot x 4: a withdrawal that is held, or a credit line that moved out.
H_ID: Final = 0
H_ACCOUNT: Final = 1  # offset of the account
H_AMOUNT: Final = 2
H_KIND: Final = 3  # HOLD or CREDIT; of a free row, the next free slot
HOLD_SHIFT: Final = 2

HOLD: Final = 1
CREDIT: Final = 2


@final
class Holds:
    """Amounts that wait under the id of the command that set them aside."""

    def __init__(self, max_holds: i64) -> None:
        """Make a table for `max_holds` of each kind."""
        self.maximum: i64 = max_holds
        self.capacity: i64 = min(2 * max_holds, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros(((self.capacity + 1) << HOLD_SHIFT) + ROW_ROOM)
        self.counts: vec[i64] = zeros(3)  # by kind
        self.fresh: i64 = 1  # lowest slot never used
        self.free: i64 = 0  # first slot of the chain of those given back

    def has_room(self, kind: i64) -> bool:
        return self.counts[kind] < self.maximum

    def add(self, hold_id: i64, account: i64, amount_minor: i64, kind: i64) -> i64:
        """Return the slot of a new row. The caller sees that it fits."""
        slot: i64 = self.free
        if slot != 0:
            self.free = self.words[(slot << HOLD_SHIFT) + H_KIND]
        else:
            slot = self.fresh
            self.fresh = slot + 1
            if slot > self.capacity:
                self.capacity = next_capacity(self.capacity, 2 * self.maximum)
                self.words = grown(self.words, ((self.capacity + 1) << HOLD_SHIFT) + ROW_ROOM)
        self.counts[kind] = self.counts[kind] + 1
        words = self.words
        offset: i64 = slot << HOLD_SHIFT
        words[offset + H_ID] = hold_id
        words[offset + H_ACCOUNT] = account
        words[offset + H_AMOUNT] = amount_minor
        words[offset + H_KIND] = kind
        return slot

    def remove(self, slot: i64) -> None:
        offset: i64 = slot << HOLD_SHIFT
        kind: i64 = self.words[offset + H_KIND]
        self.counts[kind] = self.counts[kind] - 1
        self.words[offset + H_ID] = 0
        self.words[offset + H_KIND] = self.free
        self.free = slot
