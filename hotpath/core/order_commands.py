"""Order commands: place, cancel, replace. A plain order goes the short way, any other the long."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import leaving
from hotpath.core.codes import CANCEL_REQUESTED, DUPLICATE_ID, MALFORMED
from hotpath.core.ids import ORDER_ID_BITS, search, slot_in
from hotpath.core.layout import (
    A_WATCH,
    COLD_SHIFT,
    I_ID,
    I_WATCH,
    O_OWNER,
    ORDER_SHIFT,
    POSITION_MASK,
    SIDE_MASK,
    WATCH_PEGS,
)
from hotpath.core.matching import Matching
from hotpath.core.plain_orders import PlainOrders
from hotpath.core.special_orders import SpecialOrders
from hotpath.core.state import State
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_QUANTITY,
    FIRST_EXTENDED_KIND,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    SELL,
)

# The header's words type, time in force and flags, of a plain order.
_KIND_MASK: Final = 0xFFFF_FFFF_0000


def _is_plain_form(c: vec[i64], at: i64) -> bool:
    """Say whether PLACE_ORDER asks for nothing but lots at a price, or at any."""
    header: i64 = c[at + C_HEADER]
    if header < 0 or header & 0xFF >= FIRST_EXTENDED_KIND or header >> 8 & 0xFF > SELL:
        return False
    if not 0 < c[at + C_QUANTITY] <= MAX_QUANTITY_LOTS:
        return False
    what: i64 = header & _KIND_MASK
    price: i64 = c[at + C_PRICE]
    if what == LIMIT << 16 | GTC << 24 or what == LIMIT << 16 | IOC << 24:
        return 0 < price <= MAX_PRICE_TICKS
    return what == MARKET << 16 | IOC << 24 and price == 0


@final
class OrderCommands:
    """One method per command."""

    def __init__(self, state: State, matching: Matching, special: SpecialOrders) -> None:
        self.state: Final = state
        self.plain: Final = PlainOrders(state, matching)
        self.special: Final = special

    def place(self, c: vec[i64], at: i64) -> bool:
        """Answer PLACE_ORDER or PLACE_ORDER_EXTENDED; return whether it was accepted."""
        self.state.ids.make_room()
        self.state.orders.make_room()
        order_id: i64 = c[at + C_ID]
        rows = self.state.ids.rows
        row: i64 = search(rows, self.state.ids.mask, order_id)
        if row >= 0 and order_id > 0:
            if self.state.ids.remembers(row):
                self.state.refuse(c, at, DUPLICATE_ID, self.state.ids.sequence(row))
                return False
            row = search(rows, self.state.ids.mask, order_id)
        accounts = self.state.accounts.words
        if not _is_plain_form(c, at) or not self._is_plain(accounts, c, at):
            return self.special.place(c, at)
        return self.plain.place(rows, accounts, c, at, ~row)

    def _is_plain(self, accounts: vec[i64], c: vec[i64], at: i64) -> bool:
        """Say whether the short way will do for an order of plain form; take it in hand if so."""
        header: i64 = c[at + C_HEADER]
        account_id: i64 = c[at + C_ACCOUNT]
        order_id: i64 = c[at + C_ID]
        if not 0 < account_id <= MAX_ACCOUNT_ID or order_id >> 32 != account_id:
            return False
        account: i64 = self.state.accounts.find(account_id)
        instrument: i64 = self.state.instruments.find(header >> 48)
        if account == 0 or instrument == 0:
            return False
        if accounts[account + A_WATCH] | self.state.instruments.words[instrument + I_WATCH] != 0:
            return False
        if self.state.ids.is_full() or not self.state.orders.has_room():
            return False
        position: i64 = self.state.positions.find(account, instrument)
        self.plain.take(order_id, account, instrument, position, header >> 8 & 0xFF, header)
        return True

    def cancel(self, c: vec[i64], at: i64) -> bool:
        """Answer CANCEL_ORDER; return whether it was accepted."""
        orders = self.state.orders.words
        positions = self.state.positions.words
        order: i64 = self._find_open(orders, c, at)
        if order < 0:
            self.state.refuse(c, at, -order, 0)
            return False
        watch: i64 = self.state.instruments.words[self.plain.instrument + I_WATCH] & WATCH_PEGS
        if watch | orders[order + O_OWNER] >> COLD_SHIFT != 0:
            self.state.work_due = True
            leaving.cancel(self.state, order, CANCEL_REQUESTED)
        else:
            self.plain.cancel(orders, positions, order)
        return True

    def replace(self, c: vec[i64], at: i64) -> bool:
        """Answer REPLACE_ORDER; return whether it was accepted."""
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        orders = self.state.orders.words
        positions = self.state.positions.words
        order: i64 = -MALFORMED
        if 0 < price <= MAX_PRICE_TICKS and 0 < lots <= MAX_QUANTITY_LOTS:
            order = self._find_open(orders, c, at)
        if order < 0:
            self.state.refuse(c, at, -order, 0)
            return False
        accounts = self.state.accounts.words
        watch: i64 = self.state.instruments.words[self.plain.instrument + I_WATCH]
        watch = watch | accounts[self.plain.account + A_WATCH]
        if watch | orders[order + O_OWNER] >> COLD_SHIFT != 0:
            return self.special.replace(c, at, order)
        return self.plain.replace(accounts, positions, orders, order, c, at)

    def _find_open(self, orders: vec[i64], c: vec[i64], at: i64) -> i64:
        """Take the open order that a command names in hand, and return it; or -code."""
        header: i64 = c[at + C_HEADER]
        order_id: i64 = c[at + C_ID]
        if order_id >> ORDER_ID_BITS != 0 or order_id >> 32 != c[at + C_ACCOUNT] or order_id == 0:
            return -self.special.why_not_open(c, at)
        rows = self.state.ids.rows
        row: i64 = search(rows, self.state.ids.mask, order_id)
        if row < 0:
            return -self.special.why_not_open(c, at)
        order: i64 = slot_in(rows, row) << ORDER_SHIFT
        if order == 0:
            return -self.special.why_not_open(c, at)
        owner: i64 = orders[order + O_OWNER]
        position: i64 = owner & POSITION_MASK
        instrument: i64 = self.state.positions.instrument_of(position)
        if self.state.instruments.words[instrument + I_ID] != header >> 48:
            return -self.special.why_not_open(c, at)
        account: i64 = self.state.positions.account_of(position)
        self.plain.take(order_id, account, instrument, position, owner & SIDE_MASK, header)
        return order
