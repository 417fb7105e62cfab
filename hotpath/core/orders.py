"""Order commands: place, cancel, replace, mass cancel."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.book import (
    O_ID,
    O_LEAVES,
    O_POSITION,
    O_PRICE,
    ORDER_SHIFT,
    SIDE_MASK,
    enter_level,
    leave_level,
    reduce,
)
from hotpath.core.codes import (
    ACCEPTED,
    CANCEL_IOC_REMAINDER,
    CANCEL_MASS,
    CANCEL_NO_LIQUIDITY,
    CANCEL_REQUESTED,
    CANCEL_TOO_MANY_TRADES,
    CAPACITY,
    DUPLICATE_ID,
    MALFORMED,
    NOT_OWNER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)
from hotpath.core.ids import ORDER_ID_BITS, search, slot_in
from hotpath.core.instruments import I_ID, I_TICK_VALUE_MINOR, level_of
from hotpath.core.matching import Matching, crosses
from hotpath.core.positions import P_INSTRUMENT, P_NEWEST_ORDER, P_OPEN_ORDERS
from hotpath.core.risk import check_order, check_terms, reserve
from hotpath.core.state import State
from hotpath.core.terms import is_well_formed_order
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_QUANTITY,
    GTC,
    MASS_CANCEL_BATCH,
    MASS_CANCELLED,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REPLACED,
    ORDER_RESTED,
)

_RESTING: Final = 1 << 32  # the flags of records.py where an event's header has them
_PRIORITY_KEPT: Final = 3 << 32


@final
class OrderCommands:
    """One method per command. The fields hold the order in hand: each is set before it is read."""

    def __init__(self, state: State, max_trades: i64, risk: bool) -> None:
        self.state = state
        self.matching = Matching(state, max_trades, risk)
        self.risk = risk
        self.order_id: i64 = 0
        self.account_id: i64 = 0
        self.instrument: i64 = 0  # offset
        self.position: i64 = 0  # offset
        self.side: i64 = 0
        self.limit: i64 = 0  # the worst price it may trade at
        self.event: i64 = 0  # side and instrument, as an event's header has them
        self.may_rest: bool = False
        self.order: i64 = 0  # offset of the open order that a command names

    def place(self, c: vec[i64], at: i64) -> None:
        state = self.state
        ids = state.ids
        ids.make_room()
        order_id: i64 = c[at + C_ID]
        row: i64 = search(ids.rows, ids.mask, order_id)
        if row >= 0 and order_id > 0:
            state.refuse(c, at, DUPLICATE_ID, ids.sequence(row))
            return
        code: i64 = self._check_new(c, at)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        if self.may_rest and not self._crosses():
            order: i64 = self._open(lots)
            ids.fill(~row, order_id, state.sequence, order >> ORDER_SHIFT)
            self._emit(ORDER_ACCEPTED | _RESTING, price, lots, lots, 0, self._enter(order, price))
            return
        self._emit(ORDER_ACCEPTED, price, lots, lots, 0, 0)
        left: i64 = self._trade(lots)
        if left > 0 and self.may_rest and not self._crosses():
            order = self._open(left)
            ids.fill(~row, order_id, state.sequence, order >> ORDER_SHIFT)
            self._emit(ORDER_RESTED, price, left, left, 0, self._enter(order, price))
            return
        ids.fill(~row, order_id, state.sequence, 0)
        if left > 0:
            self._reserve(-left, -left * self.limit)
            if price != 0:
                self._cancel_remainder(CANCEL_IOC_REMAINDER, price, left)
            else:
                self._cancel_remainder(CANCEL_NO_LIQUIDITY, price, left)

    def cancel(self, c: vec[i64], at: i64) -> None:
        code: i64 = self._find_open(c, at)
        if code != ACCEPTED:
            self.state.refuse(c, at, code, 0)
            return
        self._cancel_open(CANCEL_REQUESTED)

    def replace(self, c: vec[i64], at: i64) -> None:
        state = self.state
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        code: i64 = MALFORMED
        if 0 < price <= MAX_PRICE_TICKS and 0 < lots <= MAX_QUANTITY_LOTS:
            code = self._find_open(c, at)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        ladder = state.ladder
        orders = state.book.words
        instruments = state.instruments.words
        instrument: i64 = self.instrument
        side: i64 = self.side
        order: i64 = self.order
        old_price: i64 = orders[order + O_PRICE]
        old_lots: i64 = orders[order + O_LEAVES]
        code = self._check_and_reserve(price, lots, old_price, old_lots, False)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        level: i64 = level_of(instruments, instrument, side, price)
        if price == old_price and lots <= old_lots:
            total: i64 = reduce(ladder.levels, orders, order, level, lots)
            self._emit(ORDER_REPLACED | _PRIORITY_KEPT, price, lots, total, old_price, total)
            return
        book_side: i64 = (instrument >> 3) + side
        old_level: i64 = level_of(instruments, instrument, side, old_price)
        old_total: i64 = leave_level(ladder, orders, order, book_side, old_level)
        orders[order + O_PRICE] = price
        orders[order + O_LEAVES] = lots
        self.limit = price
        if not crosses(ladder.best, instruments, instrument, side, price):
            total = enter_level(ladder, orders, order, book_side, level)
            if price == old_price:
                old_total = total
            self._emit(ORDER_REPLACED | _RESTING, price, lots, old_total, old_price, total)
            return
        self._emit(ORDER_REPLACED, price, lots, old_total, old_price, 0)
        self._trade_replaced(order, price, lots)

    def _trade_replaced(self, order: i64, price: i64, lots: i64) -> None:
        """Trade an order that its replacement made aggressive; what is left rests."""
        state = self.state
        left: i64 = self._trade(lots)
        if left > 0 and not self._crosses():
            state.book.words[order + O_LEAVES] = left
            self._emit(ORDER_RESTED, price, left, left, 0, self._enter(order, price))
            return
        state.book.remove(order)
        state.ids.release(self.order_id)
        if left > 0:
            self._reserve(-left, -left * price)
            self._cancel_remainder(CANCEL_TOO_MANY_TRADES, price, left)

    def mass_cancel(self, c: vec[i64], at: i64) -> None:
        state = self.state
        code: i64 = self._find_position(c, at)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        orders = state.book.words
        positions = state.positions.words
        cancelled: i64 = 0
        while cancelled < MASS_CANCEL_BATCH:
            order: i64 = positions[self.position + P_NEWEST_ORDER]
            if order == 0:
                break
            order_id: i64 = orders[order + O_ID]
            side: i64 = orders[order + O_POSITION] & SIDE_MASK
            self._take_in_hand(order, order_id, side, c[at + C_HEADER])
            self._cancel_open(CANCEL_MASS)
            cancelled += 1
        self.order_id = c[at + C_ID]
        self.event = c[at + C_HEADER] >> 48 << 48
        open_orders: i64 = positions[self.position + P_OPEN_ORDERS]
        self._emit(MASS_CANCELLED, 0, cancelled, open_orders, 0, 0)

    # --- checks, in the order of RejectCode ------------------------------------------------------

    def _check_new(self, c: vec[i64], at: i64) -> i64:
        """Check a new order, take it in hand and reserve what it needs; or return a code."""
        header: i64 = c[at + C_HEADER]
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        if not is_well_formed_order(header, price, lots):
            return MALFORMED
        code: i64 = self._find_position(c, at)
        if code != ACCEPTED:
            return code
        if self.order_id >> 32 != self.account_id:
            return NOT_OWNER  # an id names its account: nobody takes another's
        state = self.state
        side: i64 = header >> 8 & 0xFF
        is_limit: bool = price != 0
        self.side = side
        self.event = side << 8 | header >> 48 << 48
        self.may_rest = is_limit and header >> 24 & 0xFF == GTC
        self.limit = price if is_limit else state.instruments.collar_price(self.instrument, side)
        if not state.ids.is_full() and (state.book.has_room() or not self.may_rest):
            return self._check_and_reserve(self.limit, lots, 0, 0, self.may_rest)
        code = self._check(self.limit, lots, 0, 0, self.may_rest)
        return CAPACITY if code == ACCEPTED else code

    def _check_and_reserve(
        self, price: i64, lots: i64, open_price: i64, open_lots: i64, may_rest: bool
    ) -> i64:
        """Return the code that refuses the order; reserve what it adds to an open one if none."""
        code: i64 = self._check(price, lots, open_price, open_lots, may_rest)
        if code == ACCEPTED:
            self._reserve(lots - open_lots, price * lots - open_price * open_lots)
        return code

    def _check(self, price: i64, lots: i64, open_price: i64, open_lots: i64, may_rest: bool) -> i64:
        instruments = self.state.instruments.words
        if not self.risk:
            return check_terms(instruments, self.instrument, price, lots)
        accounts = self.state.accounts.words
        positions = self.state.positions.words
        return check_order(
            accounts,
            positions,
            instruments,
            self.position,
            self.side,
            price,
            lots,
            open_price,
            open_lots,
            may_rest,
        )

    def _find_position(self, c: vec[i64], at: i64) -> i64:
        """Take account and instrument in hand; return ACCEPTED or the code that refuses them."""
        header: i64 = c[at + C_HEADER]
        account_id: i64 = c[at + C_ACCOUNT]
        order_id: i64 = c[at + C_ID]
        if header < 0 or not (0 < account_id <= MAX_ACCOUNT_ID and order_id >= 0):
            return MALFORMED
        state = self.state
        account: i64 = state.accounts.find(account_id)
        if account == 0:
            return UNKNOWN_ACCOUNT
        instrument: i64 = state.instruments.find(header >> 48)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        self.order_id = order_id
        self.account_id = account_id
        self.instrument = instrument
        self.position = state.positions.find(account, instrument)
        return ACCEPTED

    def _find_open(self, c: vec[i64], at: i64) -> i64:
        """Take the open order that a command names in hand; return ACCEPTED or a code.

        An open order leads to its account and instrument: where the command names the same ones,
        they need not be looked up.
        """
        state = self.state
        header: i64 = c[at + C_HEADER]
        account_id: i64 = c[at + C_ACCOUNT]
        order_id: i64 = c[at + C_ID]
        if order_id >> ORDER_ID_BITS != 0 or order_id >> 32 != account_id:
            return self._why_not_open(c, at)
        rows = state.ids.rows
        row: i64 = search(rows, state.ids.mask, order_id)
        if row < 0:
            return self._why_not_open(c, at)
        order: i64 = slot_in(rows, row) << ORDER_SHIFT
        if order == 0:
            return self._why_not_open(c, at)
        position_and_side: i64 = state.book.words[order + O_POSITION]
        position: i64 = position_and_side & ~SIDE_MASK
        instrument: i64 = state.positions.words[position + P_INSTRUMENT]
        if state.instruments.words[instrument + I_ID] != header >> 48:
            return self._why_not_open(c, at)
        self.account_id = account_id
        self.instrument = instrument
        self.position = position
        self._take_in_hand(order, order_id, position_and_side & SIDE_MASK, header)
        return ACCEPTED

    def _why_not_open(self, c: vec[i64], at: i64) -> i64:
        """Return the code for a command whose account has no such open order in its instrument."""
        if c[at + C_ID] == 0:
            return MALFORMED
        code: i64 = self._find_position(c, at)
        if code != ACCEPTED:
            return code
        is_open: bool = self.state.open_order(self.order_id) != 0
        is_own: bool = self.order_id >> 32 == self.account_id
        return NOT_OWNER if is_open and not is_own else UNKNOWN_ORDER

    # --- the order in hand -----------------------------------------------------------------------

    def _take_in_hand(self, order: i64, order_id: i64, side: i64, header: i64) -> None:
        """Take an open order of the position in hand; `header` is the command's."""
        self.order = order
        self.order_id = order_id
        self.side = side
        self.event = side << 8 | header >> 48 << 48

    def _crosses(self) -> bool:
        instruments = self.state.instruments.words
        best = self.state.ladder.best
        return crosses(best, instruments, self.instrument, self.side, self.limit)

    def _trade(self, lots: i64) -> i64:
        return self.matching.trade(
            self.event, self.order_id, self.position, self.side, self.limit, lots
        )

    def _reserve(self, lots: i64, price_times_lots: i64) -> None:
        if not self.risk:
            return
        state = self.state
        accounts = state.accounts.words
        positions = state.positions.words
        value: i64 = (
            price_times_lots * state.instruments.words[self.instrument + I_TICK_VALUE_MINOR]
        )
        reserve(accounts, positions, self.position, self.side, lots, value)

    def _open(self, lots: i64) -> i64:
        return self.state.book.add(self.order_id, self.limit, lots, self.position, self.side)

    def _enter(self, order: i64, price: i64) -> i64:
        side: i64 = (self.instrument >> 3) + self.side
        level: i64 = level_of(self.state.instruments.words, self.instrument, self.side, price)
        return enter_level(self.state.ladder, self.state.book.words, order, side, level)

    def _leave(self, order: i64, price: i64) -> i64:
        side: i64 = (self.instrument >> 3) + self.side
        level: i64 = level_of(self.state.instruments.words, self.instrument, self.side, price)
        return leave_level(self.state.ladder, self.state.book.words, order, side, level)

    def _cancel_open(self, reason: i64) -> None:
        """Take the order out of the book and give back what it reserved."""
        state = self.state
        order: i64 = self.order
        orders = state.book.words
        price: i64 = orders[order + O_PRICE]
        left: i64 = orders[order + O_LEAVES]
        total: i64 = self._leave(order, price)
        state.book.remove(order)
        state.ids.release(self.order_id)
        self._reserve(-left, -left * price)
        self._emit(ORDER_CANCELLED | reason << 16, price, left, 0, 0, total)

    def _cancel_remainder(self, reason: i64, price: i64, left: i64) -> None:
        """Cancel what an aggressor may not leave in the book. Its reservation is given back."""
        if self._crosses():
            reason = CANCEL_TOO_MANY_TRADES
        self._emit(ORDER_CANCELLED | reason << 16, price, left, 0, 0, 0)

    def _emit(
        self, kind: i64, price: i64, lots: i64, leaves: i64, contra: i64, level_lots: i64
    ) -> None:
        self.state.events.emit(
            kind | self.event,
            self.order_id,
            self.account_id,
            price,
            lots,
            leaves,
            contra,
            level_lots,
        )
