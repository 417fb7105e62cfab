"""Fill-or-kill and minimum quantity: how much an order would trade now, found without trading.

The trial goes through the book as `matching.py` would: the same order of priority, the same
self-trade prevention, the same bounds on prices and on steps. An order that would be cancelled on
the way, because a trade excludes it, is marked with the trial's number.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book, icebergs, leaving, prices
from hotpath.core.aggressor import Aggressor
from hotpath.core.layout import (
    CLASS_SHOWN,
    I_DYNAMIC_BPS,
    I_LAST,
    L_HEAD,
    O_LEAVES,
    O_NEXT,
    O_OWNER,
    O_PRICE,
    POSITION_MASK,
    X_DISPLAY,
    X_MODE,
    X_PARTNER,
    X_TRIAL,
)
from hotpath.core.state import State
from hotpath.core.stepping import same_owner
from hotpath.core.words import grown, zeros
from shared.domain.records import (
    SELF_TRADE_CANCEL_BOTH,
    SELF_TRADE_CANCEL_NEWEST,
    SELF_TRADE_CANCEL_OLDEST,
)


@final
class Trial:
    def __init__(self, state: State, hand: Aggressor) -> None:
        self.state: Final = state
        self.hand: Final = hand
        self.steps: i64 = 0
        self.left: i64 = 0  # of the aggressor
        self.traded: i64 = 0
        self.last: i64 = 0  # price of the last trade
        self.over: bool = False
        # icebergs that stand behind the displayed orders of the price: order, open lots
        self.behind: vec[i64] = zeros(16)
        self.count: i64 = 0

    def would_trade(self) -> i64:
        """Return how many lots the order in hand would trade now."""
        state = self.state
        hand = self.hand
        state.trial += 1
        self.steps = state.max_trades
        self.left = hand.lots
        self.traded = 0
        self.last = state.instruments.words[hand.instrument + I_LAST]
        self.over = False
        opposite: i64 = 1 - hand.side
        at: i64 = book.first_level(state, hand.instrument, opposite)
        while at != 0 and not self.over:
            first: i64 = state.ladder.levels[at + L_HEAD]
            price: i64 = state.orders.words[first + O_PRICE]
            within: bool = price <= hand.limit if opposite == 1 else price >= hand.limit
            if not within:
                break
            self._level(first, price)
            at = book.next_level(state, hand.instrument, opposite, at)
        return self.traded

    def _level(self, first: i64, price: i64) -> None:
        """Go through a level: displayed orders, icebergs that come again, dark orders."""
        state = self.state
        self.count = 0
        order: i64 = first
        while order != 0 and not self.over:
            if book.class_of(state.orders, order) != CLASS_SHOWN:
                break
            self._meet(order, price, icebergs.tradable(state, order))
            order = state.orders.words[order + O_NEXT]
        next_behind: i64 = 0
        while next_behind < self.count and not self.over:
            again: i64 = self.behind[2 * next_behind]
            leaves: i64 = self.behind[2 * next_behind + 1]
            next_behind += 1
            row: i64 = state.orders.cold_of(again)
            shown: i64 = min(state.orders.cold[row + X_DISPLAY], leaves)
            self._meet_part(again, price, shown, leaves)
        while order != 0 and not self.over:
            self._meet(order, price, state.orders.words[order + O_LEAVES])
            order = state.orders.words[order + O_NEXT]

    def _meet(self, order: i64, price: i64, tradable: i64) -> None:
        self._meet_part(order, price, tradable, self.state.orders.words[order + O_LEAVES])

    def _meet_part(self, order: i64, price: i64, tradable: i64, leaves: i64) -> None:
        """Do what one step would do with the order, of which `leaves` lots are open."""
        state = self.state
        hand = self.hand
        if self._is_marked(order):
            return
        if self.steps == 0:
            self.over = True
            return
        self.steps -= 1
        mode: i64 = state.orders.cold[hand.row + X_MODE]
        contra: i64 = state.orders.words[order + O_OWNER] & POSITION_MASK
        if mode != 0 and same_owner(state, hand.position, contra):
            self._prevent(mode, leaves)
            return
        if self._is_forbidden(price):
            self.over = True
            return
        lots: i64 = min(self.left, tradable)
        self.left -= lots
        self.traded += lots
        self.last = price
        self._exclude(hand.order)
        # The aggressor's link acts first, and cancels its partner unless that is filled.
        if lots == leaves or not self._is_marked(order):
            self._exclude(order)
        if self.left == 0 or prices.breaks_circuit(state, hand.instrument, price):
            self.over = True
        if not self.over and lots == tradable and leaves > lots and not self._is_marked(order):
            self._come_again(order, leaves - lots)

    def _prevent(self, mode: i64, leaves: i64) -> None:
        if mode == SELF_TRADE_CANCEL_OLDEST:
            return
        if mode in (SELF_TRADE_CANCEL_NEWEST, SELF_TRADE_CANCEL_BOTH):
            self.over = True
            return
        self.left -= min(self.left, leaves)
        self.over = self.left == 0

    def _is_forbidden(self, price: i64) -> bool:
        hand = self.hand
        state = self.state
        if prices.beyond_limit_band(state, hand.instrument, hand.side, price) != 0:
            return True
        bps: i64 = state.instruments.words[hand.instrument + I_DYNAMIC_BPS]
        return prices.pushes_too_far(bps, self.last, hand.side, price)

    def _exclude(self, order: i64) -> None:
        """Mark the order that a trade of this one cancels."""
        state = self.state
        row: i64 = state.orders.cold_of(order)
        if row == 0:
            return
        partner: i64 = state.orders.cold[row + X_PARTNER]
        if partner == 0 or not leaving.excludes(state, order, partner):
            return
        state.orders.cold[state.orders.cold_of(partner) + X_TRIAL] = state.trial
        if partner == self.hand.order:
            self.over = True

    def _is_marked(self, order: i64) -> bool:
        row: i64 = self.state.orders.cold_of(order)
        return row != 0 and self.state.orders.cold[row + X_TRIAL] == self.state.trial

    def _come_again(self, order: i64, leaves: i64) -> None:
        """Note that an iceberg shows its next part behind the displayed orders."""
        if 2 * self.count + 2 > len(self.behind):
            self.behind = grown(self.behind, 2 * len(self.behind))
        self.behind[2 * self.count] = order
        self.behind[2 * self.count + 1] = leaves
        self.count += 1
