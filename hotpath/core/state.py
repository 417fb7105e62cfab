"""All that the core knows, table by table; commands read and change it, queries only read it."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import Accounts, Holds
from hotpath.core.book import ORDER_SHIFT, Book
from hotpath.core.events import EventWriter
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID, MAX_SLOT, NOT_FOUND, IdTable
from hotpath.core.instruments import Instruments
from hotpath.core.ladder import Ladder
from hotpath.core.positions import Positions
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_QUANTITY,
    MAX_PRICE_TICKS,
    REJECTED,
)

_FIRST_EVENTS: Final = 1 << 11
_MAX_INSTRUMENTS: Final = 1 << 14
_MAX_ACCOUNTS: Final = 1 << 20

# Side and instrument stand in the same place in the headers of commands and events.
_ASKED: Final = 0xFF00 | 0x7FFF << 48


@final
class State:
    def __init__(
        self,
        max_orders: i64,
        max_ids: i64,
        max_accounts: i64,
        max_instruments: i64,
        max_levels: i64,
        max_holds: i64,
        expected_ids: i64,
    ) -> None:
        for size in (max_orders, max_accounts, max_holds):
            if not 1 <= size <= MAX_SLOT:
                raise ValueError(f"a table of {size} rows is outside 1..{MAX_SLOT}")
        if not 1 <= max_instruments <= _MAX_INSTRUMENTS or max_accounts > _MAX_ACCOUNTS:
            raise ValueError("too many instruments or accounts")
        if not 1 <= max_ids <= 1 << 32 or not 0 <= max_levels <= MAX_PRICE_TICKS:
            raise ValueError("too many ids or levels")
        self.ladder = Ladder(max_instruments, max_levels)
        self.instruments = Instruments(self.ladder, max_instruments)
        self.accounts = Accounts(max_accounts)
        self.positions = Positions(max_accounts, max_instruments)
        self.book = Book(self.ladder, self.accounts, self.positions, max_orders)
        self.ids = IdTable(min(max_ids, expected_ids), max_ids)
        self.holds = Holds(max_holds)
        self.events = EventWriter(_FIRST_EVENTS)
        self.sequence: i64 = 0  # of the command applied last
        self.time_ns: i64 = 0

    def open_order(self, order_id: i64) -> i64:
        """Return the offset of an open order, or 0."""
        if not 0 < order_id < FIRST_ADMINISTRATIVE_ID:
            return 0
        row: i64 = self.ids.find(order_id)
        return 0 if row == NOT_FOUND else self.ids.slot(row) << ORDER_SHIFT

    def refuse(self, c: vec[i64], at: i64, code: i64, first_sequence: i64) -> None:
        """Answer the command at word `at` of `c` with REJECTED: what it asked, and why not."""
        header: i64 = REJECTED | (c[at + C_HEADER] & _ASKED) | code << 16
        account: i64 = c[at + C_ACCOUNT]
        self.events.emit(
            header, c[at + C_ID], account, c[at + C_PRICE], c[at + C_QUANTITY], 0, first_sequence, 0
        )
