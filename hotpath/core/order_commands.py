"""Order commands: place, cancel, replace. A plain order goes the short way, any other the long."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import (
    book,
    leaving,
    prices,
)
from hotpath.core.book import enter_level, leave_level
from hotpath.core.codes import (
    ACCEPTED,
    CANCEL_IOC_REMAINDER,
    CANCEL_NO_LIQUIDITY,
    CANCEL_REQUESTED,
    DUPLICATE_ID,
    MALFORMED,
)
from hotpath.core.ids import ORDER_ID_BITS, search, slot_in
from hotpath.core.instruments import level_of
from hotpath.core.layout import (
    A_RESERVED,
    A_WATCH,
    COLD_SHIFT,
    DARK_SHIFT,
    I_ID,
    I_LAST,
    I_TICK_VALUE,
    I_WATCH,
    L_ORDERS,
    LEVEL_SHIFT,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    P_ACCOUNT,
    P_INSTRUMENT,
    P_OPEN_LOTS,
    POSITION_MASK,
    SIDE_MASK,
    WATCH_PEGS,
)
from hotpath.core.matching import Matching
from hotpath.core.risk import check_plain, check_terms
from hotpath.core.special_orders import SpecialOrders
from hotpath.core.state import State
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    BUY,
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_QUANTITY,
    FIRST_EXTENDED_KIND,
    FLAG_WAITING,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REPLACED,
    ORDER_RESTED,
    SELL,
)

_RESTING: Final = 1 << 32  # the flags of records.py where an event's header has them
_PRIORITY_KEPT: Final = 3 << 32
_REMAINDER: Final = ORDER_CANCELLED | FLAG_WAITING << 32  # it was in no level

# The header's words type, time in force and flags, of a plain order.
_KIND_MASK: Final = 0xFFFF_FFFF_0000
_PLAIN_GTC: Final = LIMIT << 16 | GTC << 24
_PLAIN_IOC: Final = LIMIT << 16 | IOC << 24
_PLAIN_MARKET: Final = MARKET << 16 | IOC << 24


@final
class OrderCommands:
    """One method per command. The fields hold the order in hand: each is set before it is read."""

    def __init__(self, state: State, matching: Matching, special: SpecialOrders) -> None:
        self.state = state
        self.matching = matching
        self.special = special
        self.order_id: i64 = 0
        self.account_id: i64 = 0
        self.account: i64 = 0  # offsets
        self.instrument: i64 = 0
        self.position: i64 = 0
        self.side: i64 = 0
        self.event: i64 = 0  # side and instrument, as an event's header has them
        self.order: i64 = 0  # offset of the open order that a command names

    # --- place -----------------------------------------------------------------------------------

    def place(self, c: vec[i64], at: i64) -> bool:
        """Answer PLACE_ORDER or PLACE_ORDER_EXTENDED; return whether it was accepted."""
        state = self.state
        ids = state.ids
        ids.make_room()
        order_id: i64 = c[at + C_ID]
        row: i64 = search(ids.rows, ids.mask, order_id)
        if row >= 0 and order_id > 0:
            state.refuse(c, at, DUPLICATE_ID, ids.sequence(row))
            return False
        what: i64 = c[at + C_HEADER] & _KIND_MASK
        short: bool = c[at + C_HEADER] & 0xFF < FIRST_EXTENDED_KIND
        plain: bool = short and what in (_PLAIN_GTC, _PLAIN_IOC, _PLAIN_MARKET)
        if plain and self._is_plain(c, at, what):
            return self._place_plain(c, at, what, ~row)
        return self.special.place(c, at)

    def _is_plain(self, c: vec[i64], at: i64, what: i64) -> bool:
        """Say whether the short way will do, and take account and instrument in hand if so."""
        header: i64 = c[at + C_HEADER]
        account_id: i64 = c[at + C_ACCOUNT]
        price: i64 = c[at + C_PRICE]
        order_id: i64 = c[at + C_ID]
        if header < 0 or header >> 8 & 0xFF > SELL or not 0 < account_id <= MAX_ACCOUNT_ID:
            return False
        if not 0 < c[at + C_QUANTITY] <= MAX_QUANTITY_LOTS or order_id >> 32 != account_id:
            return False
        if what == _PLAIN_MARKET:
            if price != 0:
                return False
        elif not 0 < price <= MAX_PRICE_TICKS:
            return False
        state = self.state
        account: i64 = state.accounts.find(account_id)
        instrument: i64 = state.instruments.find(header >> 48)
        if account == 0 or instrument == 0:
            return False
        watch: i64 = state.accounts.words[account + A_WATCH]
        if watch | state.instruments.words[instrument + I_WATCH] != 0:
            return False
        if state.ids.is_full() or not state.orders.has_room():
            return False
        self.order_id = order_id
        self.account_id = account_id
        self.account = account
        self.instrument = instrument
        self.position = state.positions.find(account, instrument)
        self.side = header >> 8 & 0xFF
        self.event = header & (0xFF00 | 0x7FFF << 48)
        return True

    def _place_plain(self, c: vec[i64], at: i64, what: i64, free_row: i64) -> bool:
        state = self.state
        ids = state.ids
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        order_id: i64 = self.order_id
        stays: bool = what == _PLAIN_GTC
        limit: i64 = price
        if price == 0:
            last: i64 = state.instruments.words[self.instrument + I_LAST]
            limit = prices.market_bound(state, self.instrument, last, self.side)
        code: i64 = self._check_plain(limit, lots, 0, 0, stays)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return False
        self._reserve(lots, limit * lots)
        if stays and not self._crosses(limit):
            order: i64 = self._open(limit, lots)
            ids.fill(free_row, order_id, state.sequence, order >> ORDER_SHIFT)
            self._emit(ORDER_ACCEPTED | _RESTING, price, lots, lots, 0, self._enter(order, price))
            return True
        self._emit(ORDER_ACCEPTED, price, lots, lots, 0, 0)
        hand = self.matching.hand
        hand.take_plain(order_id, self.position, self.instrument, self.side, limit, self.event)
        hand.lots = lots
        self.matching.match()
        left: i64 = hand.lots
        if left > 0 and stays and hand.stopped == 0:
            order = self._open(limit, left)
            ids.fill(free_row, order_id, state.sequence, order >> ORDER_SHIFT)
            self._emit(ORDER_RESTED, price, left, left, 0, self._enter(order, price))
            return True
        ids.fill(free_row, order_id, state.sequence, 0)
        if left > 0:
            self._reserve(-left, -left * limit)
            reason: i64 = hand.stopped
            if reason == 0:
                reason = CANCEL_NO_LIQUIDITY if price == 0 else CANCEL_IOC_REMAINDER
            self._emit(_REMAINDER | reason << 16, limit, left, 0, 0, 0)
        return True

    # --- cancel ----------------------------------------------------------------------------------

    def cancel(self, c: vec[i64], at: i64) -> bool:
        state = self.state
        code: i64 = self._find_open(c, at)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return False
        order: i64 = self.order
        watch: i64 = state.instruments.words[self.instrument + I_WATCH]
        if watch & WATCH_PEGS != 0 or state.orders.words[order + O_OWNER] >> COLD_SHIFT != 0:
            state.work_due = True
            leaving.cancel(state, order, CANCEL_REQUESTED)
            return True
        orders = state.orders.words
        price: i64 = orders[order + O_PRICE]
        left: i64 = orders[order + O_LEAVES]
        total: i64 = self._leave(order, price)
        state.orders.remove(order)
        state.ids.release(self.order_id)
        self._reserve(-left, -left * price)
        self._emit(ORDER_CANCELLED | CANCEL_REQUESTED << 16, price, left, 0, 0, total)
        return True

    # --- replace ---------------------------------------------------------------------------------

    def replace(self, c: vec[i64], at: i64) -> bool:
        state = self.state
        price: i64 = c[at + C_PRICE]
        lots: i64 = c[at + C_QUANTITY]
        sound: bool = 0 < price <= MAX_PRICE_TICKS and 0 < lots <= MAX_QUANTITY_LOTS
        code: i64 = self._find_open(c, at) if sound else MALFORMED
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return False
        watch: i64 = state.instruments.words[self.instrument + I_WATCH]
        watch = watch | state.accounts.words[self.account + A_WATCH]
        order: i64 = self.order
        if watch | state.orders.words[order + O_OWNER] >> COLD_SHIFT != 0:
            return self.special.replace(c, at, order)
        old_price: i64 = state.orders.words[order + O_PRICE]
        old_lots: i64 = state.orders.words[order + O_LEAVES]
        code = self._check_plain(price, lots, old_price, old_lots, False)
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return False
        self._reserve(lots - old_lots, price * lots - old_price * old_lots)
        self._replace_plain(order, price, lots)
        return True

    def _replace_plain(self, order: i64, price: i64, lots: i64) -> None:
        orders = self.state.orders.words
        state = self.state
        old_price: i64 = orders[order + O_PRICE]
        old_lots: i64 = orders[order + O_LEAVES]
        if price == old_price and lots <= old_lots:
            orders[order + O_LEAVES] = lots
            total: i64 = book.show_less(state, order, old_lots - lots)
            self._emit(ORDER_REPLACED | _PRIORITY_KEPT, price, lots, total, old_price, total)
            return
        old_total: i64 = self._leave(order, old_price)
        orders[order + O_PRICE] = price
        orders[order + O_LEAVES] = lots
        if not self._crosses(price):
            state.orders.arrive(order)
            total = self._enter(order, price)
            if price == old_price:
                old_total = total
            self._emit(ORDER_REPLACED | _RESTING, price, lots, old_total, old_price, total)
            return
        self._emit(ORDER_REPLACED, price, lots, old_total, old_price, 0)
        self._trade_replaced(order, price, lots)

    def _trade_replaced(self, order: i64, price: i64, lots: i64) -> None:
        """Trade a plain order that its replacement made aggressive; what is left rests."""
        state = self.state
        hand, order_id = self.matching.hand, self.order_id
        hand.take_plain(order_id, self.position, self.instrument, self.side, price, self.event)
        hand.lots = lots
        self.matching.match()
        left: i64 = hand.lots
        if left > 0 and hand.stopped == 0:
            state.orders.words[order + O_LEAVES] = left
            state.orders.arrive(order)
            self._emit(ORDER_RESTED, price, left, left, 0, self._enter(order, price))
            return
        state.orders.remove(order)
        state.ids.release(order_id)
        if left > 0:
            self._reserve(-left, -left * price)
            self._emit(_REMAINDER | hand.stopped << 16, price, left, 0, 0, 0)

    # --- finding ---------------------------------------------------------------------------------

    def _find_open(self, c: vec[i64], at: i64) -> i64:
        """Take the open order that a command names in hand, with its account and instrument."""
        state = self.state
        header: i64 = c[at + C_HEADER]
        account_id: i64 = c[at + C_ACCOUNT]
        order_id: i64 = c[at + C_ID]
        if order_id >> ORDER_ID_BITS != 0 or order_id >> 32 != account_id or order_id == 0:
            return self.special.why_not_open(c, at)
        rows = state.ids.rows
        row: i64 = search(rows, state.ids.mask, order_id)
        if row < 0:
            return self.special.why_not_open(c, at)
        order: i64 = slot_in(rows, row) << ORDER_SHIFT
        if order == 0:
            return self.special.why_not_open(c, at)
        owner: i64 = state.orders.words[order + O_OWNER]
        position: i64 = owner & POSITION_MASK
        instrument: i64 = state.positions.words[position + P_INSTRUMENT]
        if state.instruments.words[instrument + I_ID] != header >> 48:
            return self.special.why_not_open(c, at)
        self.order = order
        self.order_id = order_id
        self.account_id = account_id
        self.account = state.positions.words[position + P_ACCOUNT]
        self.instrument = instrument
        self.position = position
        self.side = owner & SIDE_MASK
        self.event = self.side << 8 | header >> 48 << 48
        return ACCEPTED

    # --- the plain order in hand -----------------------------------------------------------------

    def _check_plain(
        self, limit: i64, lots: i64, open_price: i64, open_lots: i64, stays: bool
    ) -> i64:
        state = self.state
        if not state.risk:
            return check_terms(state.instruments.words, self.instrument, limit, lots)
        return check_plain(
            state.accounts.words,
            state.positions.words,
            state.instruments.words,
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

    def _crosses(self, limit: i64) -> bool:
        """Return whether the order in hand would trade at once at the limit."""
        state = self.state
        opposite: i64 = 1 - self.side
        best: i64 = state.ladder.best[state.instruments.side(self.instrument, opposite)]
        return best <= level_of(state.instruments.words, self.instrument, opposite, limit)

    def _reserve(self, lots: i64, price_times_lots: i64) -> None:
        """Promise lots, and for a buy their value; negative amounts give them back."""
        state = self.state
        if not state.risk:
            return
        positions = state.positions.words
        at: i64 = self.position + P_OPEN_LOTS + self.side
        positions[at] = positions[at] + lots
        if self.side == BUY:
            tick_value: i64 = state.instruments.words[self.instrument + I_TICK_VALUE]
            accounts = state.accounts.words
            reserved: i64 = self.account + A_RESERVED
            accounts[reserved] = accounts[reserved] + price_times_lots * tick_value

    def _open(self, price: i64, lots: i64) -> i64:
        return self.state.orders.add(self.order_id, price, lots, self.position, self.side)

    def _enter(self, order: i64, price: i64) -> i64:
        state = self.state
        ladder = state.ladder
        side: i64 = state.instruments.side(self.instrument, self.side)
        number: i64 = level_of(state.instruments.words, self.instrument, self.side, price)
        if ladder.base[side] <= number < ladder.end[side]:
            at: i64 = number << LEVEL_SHIFT
            if ladder.levels[at + L_ORDERS] >> DARK_SHIFT == 0:
                return enter_level(ladder, state.orders.words, order, side, number, at)
        return book.enter(state, order)

    def _leave(self, order: i64, price: i64) -> i64:
        state = self.state
        ladder = state.ladder
        side: i64 = state.instruments.side(self.instrument, self.side)
        number: i64 = level_of(state.instruments.words, self.instrument, self.side, price)
        if ladder.base[side] <= number < ladder.end[side]:
            at: i64 = number << LEVEL_SHIFT
            if ladder.levels[at + L_ORDERS] >> DARK_SHIFT == 0:
                return leave_level(ladder, state.orders.words, order, side, number, at)
        return book.leave(state, order)

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
