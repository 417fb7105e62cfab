"""The long way of matching: one step against the resting order that trades next, by all rules."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import (
    book,
    fees,
    icebergs,
    leaving,
    prices,
    promises,
    session_changes,
    trailing,
    validity,
)
from hotpath.core.aggressor import Aggressor
from hotpath.core.codes import (
    CANCEL_COLLAR,
    CANCEL_HALTED,
    CANCEL_SELF_TRADE,
    LIMIT_CIRCUIT_BREAKER,
    LIMIT_DYNAMIC_COLLAR,
)
from hotpath.core.layout import (
    A_OWNER,
    A_TOTAL,
    I_COLLAR_ACTION,
    I_TICK_VALUE,
    I_WATCH,
    IN_BOOK,
    IS_INCOMING,
    O_ID,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    P_ACCOUNT,
    P_OPEN_LOTS,
    P_TOTAL,
    POSITION_MASK,
    WATCH_LIMITS,
    X_MODE,
    X_PLACE,
    X_SHOWN,
    X_TIME,
    X_TYPE,
)
from hotpath.core.state import State
from shared.domain.records import (
    BUY,
    COLLAR_CANCELS,
    FLAG_SELF_TRADE,
    FLAG_WAITING,
    LIMIT,
    MARKET_TO_LIMIT,
    ORDER_REDUCED,
    PRICE_LIMIT_HIT,
    SELF_TRADE_CANCEL_BOTH,
    SELF_TRADE_CANCEL_NEWEST,
    SELF_TRADE_CANCEL_OLDEST,
    SELF_TRADE_DECREMENT,
    SESSION_HALTED,
    SESSION_VOLATILITY_AUCTION,
    TRADE_EXECUTED,
)

_SELF_TRADE: Final = FLAG_SELF_TRADE << 32


def same_owner(state: State, one: i64, two: i64) -> bool:
    """Say whether a trade between two positions is a self-trade."""
    accounts = state.accounts.words
    positions = state.positions.words
    mine: i64 = accounts[positions[one + P_ACCOUNT] + A_OWNER]
    return mine == accounts[positions[two + P_ACCOUNT] + A_OWNER]


def exchange(state: State, buyer: i64, seller: i64, lots: i64, value_minor: i64) -> None:
    """Move the cash and lots of a trade between two positions."""
    accounts = state.accounts.words
    positions = state.positions.words
    positions[buyer + P_TOTAL] = positions[buyer + P_TOTAL] + lots
    positions[seller + P_TOTAL] = positions[seller + P_TOTAL] - lots
    payer: i64 = positions[buyer + P_ACCOUNT]
    payee: i64 = positions[seller + P_ACCOUNT]
    accounts[payer + A_TOTAL] = accounts[payer + A_TOTAL] - value_minor
    accounts[payee + A_TOTAL] = accounts[payee + A_TOTAL] + value_minor


def take(state: State, order: i64, lots: i64) -> i64:
    """Take traded lots off an order; return the displayed total at its price in the book."""
    orders = state.orders
    leaves: i64 = orders.words[order + O_LEAVES]
    row: i64 = orders.cold_of(order)
    in_book: bool = leaving.place_of(state, order) == IN_BOOK
    before: i64 = book.displayed(orders, order) if in_book else 0
    orders.words[order + O_LEAVES] = leaves - lots
    if row != 0:
        orders.cold[row + X_SHOWN] = max(0, orders.cold[row + X_SHOWN] - lots)
    if not in_book:
        return 0
    return book.show_less(state, order, before - book.displayed(orders, order))


def end_promises(state: State, order: i64, lots: i64, price: i64) -> None:
    """Give back what an order promised for traded lots; the price is where a plain one stands."""
    if not state.risk:
        return
    promises.count_lots(state, order, -lots)
    orders = state.orders
    if orders.cold_of(order) != 0:
        promises.reserve_anew(state, order)
    elif book.side_of(state, order) == BUY:
        instrument: i64 = book.instrument_of(state, order)
        value: i64 = price * lots * state.instruments.words[instrument + I_TICK_VALUE]
        promises.add_reserved(state, orders.words[order + O_OWNER] & POSITION_MASK, -value)


@final
class Stepping:
    def __init__(self, state: State, hand: Aggressor) -> None:
        self.state: Final = state
        self.hand: Final = hand

    def step(self, resting: i64) -> bool:
        """Do one step against the resting order that trades next; return whether to go on."""
        hand = self.hand
        state = self.state
        orders = state.orders
        price: i64 = orders.words[resting + O_PRICE]
        mode: i64 = 0 if hand.row == 0 else orders.cold[hand.row + X_MODE]
        contra: i64 = orders.words[resting + O_OWNER] & POSITION_MASK
        if mode != 0 and same_owner(state, hand.position, contra):
            self._prevent(resting, mode)
            return not hand.is_gone()
        looks: i64 = state.instruments.words[hand.instrument + I_WATCH] & WATCH_LIMITS
        if looks != 0 and self._is_forbidden(price):
            return False
        self._trade(resting, price, min(hand.lots, icebergs.tradable(state, resting)))
        if looks != 0 and prices.breaks_circuit(state, hand.instrument, price):
            self._report_limit(LIMIT_CIRCUIT_BREAKER, price)
            session_changes.change(state, hand.instrument, SESSION_HALTED, LIMIT_CIRCUIT_BREAKER, 0)
            hand.stopped = CANCEL_HALTED
            return False
        return not hand.is_gone()

    def _is_forbidden(self, price: i64) -> bool:
        """Say whether a trade at the price is forbidden; set why what is left may not rest then."""
        hand = self.hand
        state = self.state
        band: i64 = prices.beyond_limit_band(state, hand.instrument, hand.side, price)
        if band != 0:
            self._report_limit(band, price)
            return True  # it rests at the band
        if not prices.beyond_dynamic_collar(state, hand.instrument, hand.side, price):
            return False
        self._report_limit(LIMIT_DYNAMIC_COLLAR, price)
        if state.instruments.words[hand.instrument + I_COLLAR_ACTION] == COLLAR_CANCELS:
            hand.stopped = CANCEL_COLLAR
            return True
        auction: i64 = SESSION_VOLATILITY_AUCTION
        session_changes.change(state, hand.instrument, auction, LIMIT_DYNAMIC_COLLAR, 0)
        cold = state.orders.cold
        kind: i64 = cold[hand.row + X_TYPE]
        if not validity.may_rest(cold[hand.row + X_TIME]) or (
            kind != LIMIT and kind != MARKET_TO_LIMIT
        ):
            hand.stopped = CANCEL_COLLAR
        return True

    def _report_limit(self, code: i64, price: i64) -> None:
        hand = self.hand
        header: i64 = PRICE_LIMIT_HIT | hand.event | code << 16
        self.state.events.emit(header, 0, 0, price, 0, 0, 0, 0)

    def _trade(self, resting: i64, price: i64, lots: i64) -> None:
        """Exchange lots for cash, and do what follows from it for both orders."""
        hand = self.hand
        state = self.state
        orders = state.orders
        contra: i64 = orders.words[resting + O_OWNER] & POSITION_MASK
        contra_id: i64 = orders.words[resting + O_ID]
        value: i64 = price * lots * state.instruments.words[hand.instrument + I_TICK_VALUE]
        hand.lots -= lots
        if hand.order != 0:
            take(state, hand.order, lots)
        total: i64 = take(state, resting, lots)
        left: i64 = orders.words[resting + O_LEAVES]
        if state.risk:
            buyer: i64 = hand.position if hand.side == BUY else contra
            exchange(state, buyer, hand.position + contra - buyer, lots, value)
        flags: i64 = _SELF_TRADE if same_owner(state, hand.position, contra) else 0
        state.events.emit(
            TRADE_EXECUTED | hand.event | flags,
            hand.order_id,
            contra_id >> 32 << 32 | hand.order_id >> 32,
            price,
            lots,
            left << 32 | hand.lots,
            contra_id,
            total,
        )
        self._settle(resting, price, lots, value)
        trailing.note_price(state, hand.instrument, price)
        if left == 0:
            leave_filled(state, resting)
        else:
            icebergs.replenish(state, resting)
        if hand.order != 0:
            leaving.after_trade(state, hand.order)
        if orders.accepted(resting) != 0:
            leaving.after_trade(state, resting)

    def _settle(self, resting: i64, price: i64, lots: i64, value_minor: i64) -> None:
        """Charge both orders and end what they promised for the lots."""
        hand = self.hand
        state = self.state
        if hand.order != 0:
            fees.charge(state, hand.order, value_minor, fees.TAKER)
        if state.orders.cold_of(resting) != 0:
            fees.charge(state, resting, value_minor, fees.MAKER)
        end_promises(state, resting, lots, price)
        if hand.order != 0:
            end_promises(state, hand.order, lots, 0)
        elif state.risk:
            positions = state.positions.words
            at: i64 = hand.position + P_OPEN_LOTS + hand.side
            positions[at] = positions[at] - lots
            if hand.side == BUY:
                tick_value: i64 = state.instruments.words[hand.instrument + I_TICK_VALUE]
                promises.add_reserved(state, hand.position, -hand.limit * lots * tick_value)

    # --- self-trade prevention -------------------------------------------------------------------

    def _prevent(self, resting: i64, mode: i64) -> None:
        """Act on a self-trade in the way the aggressor asks for."""
        hand = self.hand
        state = self.state
        if mode == SELF_TRADE_DECREMENT:
            lots: i64 = min(hand.lots, state.orders.words[resting + O_LEAVES])
            self._reduce(resting, lots)
            self._reduce(hand.order, lots)
        if mode in (SELF_TRADE_CANCEL_OLDEST, SELF_TRADE_CANCEL_BOTH):
            leaving.cancel(state, resting, CANCEL_SELF_TRADE)
        if mode in (SELF_TRADE_CANCEL_NEWEST, SELF_TRADE_CANCEL_BOTH):
            leaving.cancel(state, hand.order, CANCEL_SELF_TRADE)
        if not hand.is_gone():
            hand.lots = state.orders.words[hand.order + O_LEAVES]

    def _reduce(self, order: i64, lots: i64) -> None:
        """Take lots off an order that keeps its place; without any left it is cancelled."""
        hand = self.hand
        state = self.state
        orders = state.orders
        if orders.accepted(order) == 0:
            return  # its linked order has just left, and it with that
        if orders.words[order + O_LEAVES] == lots:
            leaving.cancel(state, order, CANCEL_SELF_TRADE)
            return
        leaves: i64 = orders.words[order + O_LEAVES] - lots
        level: i64 = shrink(state, order, leaves)
        price: i64 = hand.limit if order == hand.order else orders.words[order + O_PRICE]
        order_id: i64 = orders.words[order + O_ID]
        header: i64 = leaving.event_header(state, order, ORDER_REDUCED)
        if order == hand.order:
            header = header | FLAG_WAITING << 32
        state.events.emit(header, order_id, order_id >> 32, price, lots, leaves, 0, level)


def shrink(state: State, order: i64, leaves: i64) -> i64:
    """Make an order smaller where it stands; return the displayed total at its price."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    lots: i64 = orders.words[order + O_LEAVES] - leaves
    price: i64 = orders.words[order + O_PRICE]
    in_book: bool = leaving.place_of(state, order) == IN_BOOK
    before: i64 = book.displayed(orders, order) if in_book else 0
    orders.words[order + O_LEAVES] = leaves
    if row != 0:
        orders.cold[row + X_SHOWN] = min(orders.cold[row + X_SHOWN], leaves)
    end_promises(state, order, lots, price)
    if not in_book:
        return 0
    return book.show_less(state, order, before - book.displayed(orders, order))


def leave_filled(state: State, order: i64) -> None:
    """Take a filled order of the book out of its level."""
    book.leave(state, order)
    row: i64 = state.orders.cold_of(order)
    if row != 0:
        state.orders.cold[row + X_PLACE] = IS_INCOMING
