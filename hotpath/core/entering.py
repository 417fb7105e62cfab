"""What an accepted order does: wait, rest, or trade and then rest or go."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import (
    book,
    followers,
    icebergs,
    leaving,
    pegs,
    prices,
    promises,
    session_changes,
    trailing,
    validity,
    waiting,
)
from hotpath.core.codes import (
    CANCEL_FOK_NOT_FILLED,
    CANCEL_IOC_REMAINDER,
    CANCEL_MINIMUM_NOT_MET,
    CANCEL_NO_LIQUIDITY,
)
from hotpath.core.layout import (
    I_LAST,
    I_SESSION,
    IN_AUCTION,
    IN_BOOK,
    IN_STOPS,
    IS_INCOMING,
    IS_LINKED,
    IS_UNPEGGED,
    O_ID,
    O_LEAVES,
    O_PRICE,
    X_LIMIT,
    X_LINK,
    X_MINIMUM,
    X_PLACE,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from hotpath.core.matching import Matching
from hotpath.core.state import State
from hotpath.core.trial import Trial
from shared.domain.records import (
    FLAG_RESTING,
    FLAG_WAITING,
    FOK,
    LIMIT,
    LINK_AFTER_OTHER,
    MARKET,
    MARKET_TO_LIMIT,
    ORDER_ACCEPTED,
    ORDER_RESTED,
    ORDER_TRIGGERED,
    PEGGED,
    SESSION_CONTINUOUS,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)


def is_stop(order_type: i64) -> bool:
    return order_type in (STOP, STOP_LIMIT, TRAILING_STOP)


@final
class Entering:
    """Every method works on an open order that has a cold row."""

    def __init__(self, state: State, matching: Matching) -> None:
        self.state: Final = state
        self.matching: Final = matching
        self.hand: Final = matching.hand
        self.trial: Final = Trial(state, matching.hand)

    def accept(self, order: i64, sent_price: i64) -> None:
        """Answer a new order and let it do what it can do now."""
        orders = self.state.orders
        lots: i64 = orders.words[order + O_LEAVES]
        place: i64 = self._waiting_place(order)
        if place != 0:
            self._wait(order, place)
            self._emit(ORDER_ACCEPTED | FLAG_WAITING << 32, order, sent_price, lots, 0)
        elif self._rests_at_once(order):
            level: i64 = self._put_in_book(order)
            price: i64 = orders.words[order + O_PRICE]
            self._emit(ORDER_ACCEPTED | FLAG_RESTING << 32, order, price, lots, level)
        else:
            self._emit(ORDER_ACCEPTED, order, sent_price, lots, 0)
            self.aggress(order)

    def _waiting_place(self, order: i64) -> i64:
        """Return where a new order waits, or 0 if it need not."""
        cold = self.state.orders.cold
        row: i64 = self.state.orders.cold_of(order)
        if cold[row + X_LINK] == LINK_AFTER_OTHER:
            return IS_LINKED
        if is_stop(cold[row + X_TYPE]):
            return IN_STOPS
        if validity.is_for_auction(cold[row + X_TIME]):
            return IN_AUCTION
        if cold[row + X_TYPE] == PEGGED and self._target(order) == 0:
            return IS_UNPEGGED
        return 0

    def _wait(self, order: i64, place: i64) -> None:
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        if place == IN_STOPS:
            last: i64 = state.instruments.words[book.instrument_of(state, order) + I_LAST]
            reached: bool = cold[row + X_TYPE] == TRAILING_STOP and trailing.is_reached(
                book.side_of(state, order), cold[row + X_STOP], last
            )
            waiting.enter_stops(state, order, reached)
        elif place == IN_AUCTION:
            waiting.enter_auction(state, order)
        else:
            cold[row + X_PLACE] = place

    def _rests_at_once(self, order: i64) -> bool:
        state = self.state
        instrument: i64 = book.instrument_of(state, order)
        if session_changes.is_call(state.instruments.words[instrument + I_SESSION]):
            return True
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        if not validity.may_rest(cold[row + X_TIME]):
            return False
        price: i64 = cold[row + X_LIMIT]
        if cold[row + X_TYPE] == PEGGED:
            price = self._target(order)
        elif cold[row + X_TYPE] != LIMIT:
            return False
        return book.counterparty(state, instrument, book.side_of(state, order), price) == 0

    def _target(self, order: i64) -> i64:
        state = self.state
        row: i64 = state.orders.cold_of(order)
        instrument: i64 = book.instrument_of(state, order)
        return pegs.target(state, instrument, book.side_of(state, order), row)

    def _put_in_book(self, order: i64) -> i64:
        """Let an order rest at its limit or peg; return the displayed total there."""
        row: i64 = self.state.orders.cold_of(order)
        price: i64 = 0
        if self.state.orders.cold[row + X_TYPE] == PEGGED:
            price = self._target(order)
        return self.rest(order, price if price != 0 else self.state.orders.cold[row + X_LIMIT])

    def rest(self, order: i64, price: i64) -> i64:
        """Put an order behind all of its price and class; return the displayed total there."""
        state = self.state
        side: i64 = book.side_of(state, order)
        instrument: i64 = book.instrument_of(state, order)
        row: i64 = state.orders.cold_of(order)
        price = prices.within_band(state, instrument, side, price)
        state.orders.words[order + O_PRICE] = price
        state.orders.cold[row + X_PLACE] = IN_BOOK
        state.orders.arrive(state.orders.words, order)
        icebergs.show(state, order)
        return book.enter(state, order)

    def begin(self, order: i64) -> None:
        """Let an order whose wait is over go on as if it came now."""
        place: i64 = self._waiting_place(order)
        self.state.orders.cold[self.state.orders.cold_of(order) + X_PLACE] = IS_INCOMING
        if place != 0:
            self._wait(order, place)
        else:
            self.aggress(order)

    def aggress(self, order: i64) -> None:
        """Trade, then let what is left rest or go."""
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        kind: i64 = cold[row + X_TYPE]
        if kind == MARKET_TO_LIMIT and not self._take_best_price(order):
            leaving.cancel(state, order, CANCEL_NO_LIQUIDITY)
            return
        if kind == PEGGED:
            self.follow(order, 0)
            return
        hand = self.hand
        hand.take_order(order)
        if cold[row + X_TIME] == FOK and self.trial.would_trade() < hand.lots:
            leaving.cancel(state, order, CANCEL_FOK_NOT_FILLED)
            return
        least: i64 = cold[row + X_MINIMUM]
        if least != 0 and self.trial.would_trade() < least:
            leaving.cancel(state, order, CANCEL_MINIMUM_NOT_MET)
            return
        self.matching.match()
        if not hand.is_gone():
            self._settle_rest(order, hand.stopped)

    def _take_best_price(self, order: i64) -> bool:
        """Turn a market-to-limit order into a limit order at the best price within its bound."""
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        instrument: i64 = book.instrument_of(state, order)
        side: i64 = book.side_of(state, order)
        best: i64 = book.counterparty(state, instrument, side, cold[row + X_LIMIT])
        if best == 0:
            return False
        cold[row + X_LIMIT] = state.orders.words[best + O_PRICE]
        cold[row + X_TYPE] = LIMIT
        promises.reserve_anew(state, order)
        return True

    def _settle_rest(self, order: i64, stopped: i64) -> None:
        """Let what an aggressor left over rest, or cancel it and say why."""
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        kind: i64 = cold[row + X_TYPE]
        if stopped == 0 and validity.may_rest(cold[row + X_TIME]) and kind != MARKET:
            self._report_rest(order, self._put_in_book(order))
            return
        if stopped == 0:
            stopped = CANCEL_NO_LIQUIDITY if kind == MARKET else CANCEL_IOC_REMAINDER
        leaving.cancel(state, order, stopped)

    def _report_rest(self, order: i64, level: i64) -> None:
        words = self.state.orders.words
        self._emit(ORDER_RESTED, order, words[order + O_PRICE], words[order + O_LEAVES], level)

    def _emit(self, kind: i64, order: i64, price: i64, lots: i64, level: i64) -> None:
        order_id: i64 = self.state.orders.words[order + O_ID]
        header: i64 = leaving.event_header(self.state, order, kind)
        account: i64 = order_id >> 32
        self.state.events.emit(header, order_id, account, price, lots, lots, 0, level)

    # --- pegged orders ---------------------------------------------------------------------------

    def follow(self, order: i64, old: i64) -> None:
        """Bring a pegged order, now at `old` (0: out of the book), to its price.

        There it trades if it meets somebody.
        """
        state = self.state
        orders = state.orders
        row: i64 = orders.cold_of(order)
        instrument: i64 = book.instrument_of(state, order)
        side: i64 = book.side_of(state, order)
        new: i64 = self._target(order)
        if old != 0:
            book.leave(state, order)
        orders.cold[row + X_PLACE] = IS_INCOMING
        meets: bool = False
        level: i64 = 0
        if new == 0:
            orders.cold[row + X_PLACE] = IS_UNPEGGED
        elif book.counterparty(state, instrument, side, new) != 0:
            meets = True
        else:
            level = self.rest(order, new)
        old_level: i64 = book.lots_at(state, instrument, side, old) if old != 0 else 0
        pegs.report(state, order, new, old_level, old, level)
        if meets:
            self._trade_pegged(order, new)

    def _trade_pegged(self, order: i64, price: i64) -> None:
        """Trade at the pegged price or better; what is left rests there."""
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        worst: i64 = cold[row + X_LIMIT]
        cold[row + X_LIMIT] = price
        self.hand.take_order(order)
        self.matching.match()
        if self.hand.is_gone():
            return
        cold[row + X_LIMIT] = worst
        promises.reserve_anew(state, order)
        if self.hand.stopped != 0:
            leaving.cancel(state, order, self.hand.stopped)
            return
        instrument: i64 = book.instrument_of(state, order)
        if state.instruments.words[instrument + I_SESSION] != SESSION_CONTINUOUS:
            cold[row + X_PLACE] = IS_UNPEGGED
            return
        self._report_rest(order, self.rest(order, price))

    # --- stops -----------------------------------------------------------------------------------

    def trigger(self, order: i64) -> None:
        """Make a due stop the order that it stands for, and let it trade."""
        state = self.state
        cold = state.orders.cold
        row: i64 = state.orders.cold_of(order)
        waiting.leave(state, order)
        followers.stop_following(state, order)
        cold[row + X_TYPE] = LIMIT if cold[row + X_TYPE] == STOP_LIMIT else MARKET
        lots: i64 = state.orders.words[order + O_LEAVES]
        self._emit(ORDER_TRIGGERED, order, cold[row + X_LIMIT], lots, 0)
        self.begin(order)
