"""The short way of a plain order: no cold row, and nothing special in its account or instrument.

The tables that a command reads and writes are fetched once and handed on as arguments, since what
an object holds costs compiled code a count of references each time; see `layout.py` for the rows.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book, prices
from hotpath.core.book import enter_level, leave_level
from hotpath.core.codes import (
    ACCEPTED,
    CANCEL_IOC_REMAINDER,
    CANCEL_NO_LIQUIDITY,
    CANCEL_REQUESTED,
)
from hotpath.core.instruments import level_of
from hotpath.core.layout import (
    A_RESERVED,
    DARK_SHIFT,
    I_LAST,
    I_TICK_VALUE,
    L_ORDERS,
    LEVEL_SHIFT,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    P_OPEN_LOTS,
)
from hotpath.core.matching import Matching
from hotpath.core.orders import chain, fill_row, unchain
from hotpath.core.risk import check_plain, check_terms
from hotpath.core.state import State
from shared.domain.records import (
    BUY,
    C_HEADER,
    C_PRICE,
    C_QUANTITY,
    FLAG_WAITING,
    GTC,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REPLACED,
    ORDER_RESTED,
)

_RESTING: Final = 1 << 32  # the flags of records.py where an event's header has them
_PRIORITY_KEPT: Final = 3 << 32


@final
class PlainOrders:
    """The fields hold the order in hand: `take` sets them before anything else is called."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state: Final = state
        self.matching: Final = matching
        self.order_id: i64 = 0
        self.account: i64 = 0  # offsets
        self.instrument: i64 = 0
        self.position: i64 = 0
        self.side: i64 = 0
        self.event: i64 = 0  # side and instrument, as an event's header has them

    def take(
        self, order_id: i64, account: i64, instrument: i64, position: i64, side: i64, header: i64
    ) -> None:
        """Take an order in hand. `header` is the command's."""
        self.order_id = order_id
        self.account = account
        self.instrument = instrument
        self.position = position
        self.side = side
        self.event = side << 8 | header >> 48 << 48

    # --- place -----------------------------------------------------------------------------------

    def place(
        self, rows: vec[i64], accounts: vec[i64], c: vec[i64], at: i64, free_row: i64
    ) -> bool:
        """Judge a new order and let it do what it can; `free_row` of the ids is for its id."""
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        stays: bool = c[at + C_HEADER] >> 24 & 0xFF == GTC
        positions = self.state.positions.words
        limit: i64 = price
        if price == 0:
            last: i64 = self.state.instruments.words[self.instrument + I_LAST]
            limit = prices.market_bound(self.state, self.instrument, last, self.side)
        code: i64 = self._check(accounts, positions, limit, lots, 0, 0, stays)
        if code != ACCEPTED:
            self.state.refuse(c, at, code, 0)
            return False
        self._reserve(accounts, positions, lots, limit * lots)
        if stays and not self._crosses(limit):
            self._rest(rows, accounts, positions, free_row, limit, lots, ORDER_ACCEPTED | _RESTING)
            return True
        self._emit(ORDER_ACCEPTED, price, lots, lots, 0, 0)
        left: i64 = self._match(limit, lots)
        if left > 0 and stays and self.matching.hand.stopped == 0:
            self._rest(rows, accounts, positions, free_row, limit, left, ORDER_RESTED)
            return True
        self.state.ids.fill(rows, free_row, self.order_id, self.state.sequence, 0)
        if left > 0:
            self._reserve(accounts, positions, -left, -left * limit)
            reason: i64 = self.matching.hand.stopped
            if reason == 0:
                reason = CANCEL_IOC_REMAINDER
                if price == 0:
                    reason = CANCEL_NO_LIQUIDITY
            self._report_rest(reason, limit, left)
        return True

    def _rest(
        self,
        rows: vec[i64],
        accounts: vec[i64],
        positions: vec[i64],
        free_row: i64,
        price: i64,
        lots: i64,
        event: i64,
    ) -> None:
        """Open the order in hand, put it into the book and tell of it."""
        orders = self.state.orders.words
        order: i64 = self.state.orders.take_row(orders)
        fill_row(orders, order, self.order_id, price, lots, self.position | self.side)
        chain(orders, accounts, positions, order, self.account, self.position, self.side)
        sequence: i64 = self.state.sequence
        self.state.ids.fill(rows, free_row, self.order_id, sequence, order >> ORDER_SHIFT)
        levels = self.state.ladder.levels
        number: i64 = self._number(price)
        is_usual: bool = self._is_usual(levels, number)
        total: i64 = self._enter(levels, orders, order, number, is_usual)
        self._emit(event, price, lots, lots, 0, total)

    # --- cancel ----------------------------------------------------------------------------------

    def cancel(self, orders: vec[i64], positions: vec[i64], order: i64) -> None:
        """Take the open order in hand off."""
        accounts = self.state.accounts.words
        price: i64 = orders[order + O_PRICE]
        left: i64 = orders[order + O_LEAVES]
        levels = self.state.ladder.levels
        number: i64 = self._number(price)
        total: i64 = self._leave(levels, orders, order, number, self._is_usual(levels, number))
        unchain(orders, accounts, positions, order, self.account, orders[order + O_OWNER])
        self.state.orders.give_row(orders, order)
        self.state.ids.release(self.order_id)
        self._reserve(accounts, positions, -left, -left * price)
        self._emit(ORDER_CANCELLED | CANCEL_REQUESTED << 16, price, left, 0, 0, total)

    # --- replace ---------------------------------------------------------------------------------

    def replace(
        self,
        accounts: vec[i64],
        positions: vec[i64],
        orders: vec[i64],
        order: i64,
        c: vec[i64],
        at: i64,
    ) -> bool:
        """Give the open order in hand new terms; return whether they were accepted."""
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        old_price: i64 = orders[order + O_PRICE]
        old_lots: i64 = orders[order + O_LEAVES]
        levels = self.state.ladder.levels
        old_number: i64 = self._number(old_price)
        number: i64 = self._number(price)
        # asked before anything is judged, so that both levels come from memory meanwhile
        is_usual: bool = self._is_usual(levels, old_number) and self._is_usual(levels, number)
        code: i64 = self._check(accounts, positions, price, lots, old_price, old_lots, False)
        if code != ACCEPTED:
            self.state.refuse(c, at, code, 0)
            return False
        more: i64 = price * lots - old_price * old_lots
        self._reserve(accounts, positions, lots - old_lots, more)
        if price == old_price and lots <= old_lots:
            orders[order + O_LEAVES] = lots
            total: i64 = book.show_less(self.state, order, old_lots - lots)
            self._emit(ORDER_REPLACED | _PRIORITY_KEPT, price, lots, total, price, total)
        else:
            old_total: i64 = self._leave(levels, orders, order, old_number, is_usual)
            self._move(levels, orders, order, number, is_usual, old_price, old_total, price, lots)
        return True

    def _move(
        self,
        levels: vec[i64],
        orders: vec[i64],
        order: i64,
        number: i64,
        is_usual: bool,
        old_price: i64,
        old_total: i64,
        price: i64,
        lots: i64,
    ) -> None:
        """Let an order that has left the book rest or trade at its new terms."""
        orders[order + O_PRICE] = price
        orders[order + O_LEAVES] = lots
        if self._crosses(price):
            self._emit(ORDER_REPLACED, price, lots, old_total, old_price, 0)
            self._trade_replaced(order, price, lots)
            return
        self.state.orders.arrive(orders, order)
        total: i64 = self._enter(levels, orders, order, number, is_usual)
        if price == old_price:
            old_total = total
        self._emit(ORDER_REPLACED | _RESTING, price, lots, old_total, old_price, total)

    def _trade_replaced(self, order: i64, price: i64, lots: i64) -> None:
        """Trade an order that its replacement made aggressive; what is left rests."""
        left: i64 = self._match(price, lots)
        orders = self.state.orders.words
        if left > 0 and self.matching.hand.stopped == 0:
            orders[order + O_LEAVES] = left
            self.state.orders.arrive(orders, order)
            levels = self.state.ladder.levels
            number: i64 = self._number(price)
            is_usual: bool = self._is_usual(levels, number)
            total: i64 = self._enter(levels, orders, order, number, is_usual)
            self._emit(ORDER_RESTED, price, left, left, 0, total)
            return
        self.state.close(order)
        if left > 0:
            accounts = self.state.accounts.words
            self._reserve(accounts, self.state.positions.words, -left, -left * price)
            self._report_rest(self.matching.hand.stopped, price, left)

    # --- the order in hand -----------------------------------------------------------------------

    def _check(
        self,
        accounts: vec[i64],
        positions: vec[i64],
        limit: i64,
        lots: i64,
        open_price: i64,
        open_lots: i64,
        stays: bool,
    ) -> i64:
        if not self.state.risk:
            return check_terms(self.state.instruments.words, self.instrument, limit, lots)
        return check_plain(
            accounts,
            positions,
            self.state.instruments.words,
            self.account,
            self.instrument,
            self.position,
            self.side,
            limit,
            lots,
            open_price,
            open_lots,
            stays,
        )

    def _reserve(
        self, accounts: vec[i64], positions: vec[i64], lots: i64, price_times_lots: i64
    ) -> None:
        """Promise lots, and for a buy their value; negative amounts give them back."""
        if not self.state.risk:
            return
        at: i64 = self.position + P_OPEN_LOTS + self.side
        positions[at] = positions[at] + lots
        if self.side == BUY:
            tick_value: i64 = self.state.instruments.words[self.instrument + I_TICK_VALUE]
            reserved: i64 = self.account + A_RESERVED
            accounts[reserved] = accounts[reserved] + price_times_lots * tick_value

    def _number(self, price: i64) -> i64:
        """Return the number of a price's level on the order's side."""
        return level_of(self.state.instruments.words, self.instrument, self.side, price)

    def _crosses(self, limit: i64) -> bool:
        """Return whether the order in hand would trade at once at the limit."""
        opposite: i64 = 1 - self.side
        number: i64 = level_of(self.state.instruments.words, self.instrument, opposite, limit)
        side: i64 = self.state.instruments.side(self.instrument, opposite)
        return self.state.ladder.best[side] <= number

    def _match(self, limit: i64, lots: i64) -> i64:
        """Trade the order in hand; return what is left of its lots."""
        hand = self.matching.hand
        hand.take_plain(self.order_id, self.position, self.instrument, self.side, limit, self.event)
        hand.lots = lots
        self.matching.match()
        return hand.lots

    def _is_usual(self, levels: vec[i64], number: i64) -> bool:
        """Say whether a level on the order's side is in the window and has no dark orders."""
        side: i64 = self.state.instruments.side(self.instrument, self.side)
        if not self.state.ladder.holds(side, number):
            return False
        return levels[(number << LEVEL_SHIFT) + L_ORDERS] >> DARK_SHIFT == 0

    def _enter(
        self, levels: vec[i64], orders: vec[i64], order: i64, number: i64, is_usual: bool
    ) -> i64:
        if not is_usual:
            return book.enter(self.state, order)
        side: i64 = self.state.instruments.side(self.instrument, self.side)
        return enter_level(self.state.ladder, levels, orders, order, side, number)

    def _leave(
        self, levels: vec[i64], orders: vec[i64], order: i64, number: i64, is_usual: bool
    ) -> i64:
        if not is_usual:
            return book.leave(self.state, order)
        side: i64 = self.state.instruments.side(self.instrument, self.side)
        return leave_level(self.state.ladder, levels, orders, order, side, number)

    def _report_rest(self, reason: i64, price: i64, lots: i64) -> None:
        """Tell that what an aggressor left over is cancelled; it was in no level."""
        kind: i64 = ORDER_CANCELLED | FLAG_WAITING << 32 | reason << 16
        self._emit(kind, price, lots, 0, 0, 0)

    def _emit(
        self, kind: i64, price: i64, lots: i64, leaves: i64, contra: i64, level_lots: i64
    ) -> None:
        order_id: i64 = self.order_id
        account: i64 = order_id >> 32  # an id names its account
        self.state.events.emit(
            kind | self.event, order_id, account, price, lots, leaves, contra, level_lots
        )
