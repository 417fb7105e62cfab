"""Price-time matching: an aggressor trades with the orders at the best levels, in their order.

`match` is the short way: aggressor and resting order are plain, and nothing in the instrument looks
at trades. Whatever else there is goes through `stepping.py`, one resting order at a time.
"""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import (
    book,
)
from hotpath.core.aggressor import Aggressor
from hotpath.core.codes import (
    CANCEL_TOO_MANY_TRADES,
)
from hotpath.core.instruments import level_of
from hotpath.core.layout import (
    A_OWNER,
    A_RESERVED,
    A_TOTAL,
    COLD_SHIFT,
    I_HIGH,
    I_LAST,
    I_LOW,
    I_TICK_VALUE,
    I_WATCH,
    L_HEAD,
    L_LOTS,
    L_ORDERS,
    L_TAIL,
    O_ID,
    O_LEAVES,
    O_NEXT,
    O_OWNER,
    O_PREVIOUS,
    O_PRICE,
    P_ACCOUNT,
    P_OPEN_LOTS,
    P_TOTAL,
    POSITION_MASK,
)
from hotpath.core.state import State
from hotpath.core.stepping import Stepping
from shared.domain.records import (
    BUY,
    FLAG_SELF_TRADE,
    SELL,
    TRADE_EXECUTED,
)

_SELF_TRADE: Final = FLAG_SELF_TRADE << 32


@final
class Matching:
    def __init__(self, state: State, hand: Aggressor, stepping: Stepping) -> None:
        self.state = state
        self.hand = hand
        self.stepping = stepping

    def match(self) -> None:
        """Trade the aggressor's `lots` as far as they go; set `lots` and `stopped`."""
        state = self.state
        hand = self.hand
        instrument: i64 = hand.instrument
        side: i64 = hand.side
        position: i64 = hand.position
        limit: i64 = hand.limit
        lots: i64 = hand.lots
        hand.stopped = 0
        best = state.ladder.best
        best_at = state.ladder.best_at
        levels = state.ladder.levels
        orders = state.orders.words
        accounts = state.accounts.words
        positions = state.positions.words
        instruments = state.instruments.words
        mine: i64 = accounts[positions[position + P_ACCOUNT] + A_OWNER]
        tick_value: i64 = instruments[instrument + I_TICK_VALUE]
        book_side: i64 = state.instruments.side(instrument, 1 - side)
        limit_number: i64 = level_of(instruments, instrument, 1 - side, limit)
        special: i64 = hand.row | instruments[instrument + I_WATCH]
        if state.careful:
            special = special | 1
        steps: i64 = state.max_trades
        first: i64 = 0  # prices of the trades since the last that went the long way
        price: i64 = 0
        while lots > 0 and best[book_side] <= limit_number:
            if steps == 0:
                hand.stopped = CANCEL_TOO_MANY_TRADES
                break
            steps -= 1
            at: i64 = best_at[book_side]
            resting: i64 = levels[at + L_HEAD]
            owner: i64 = orders[resting + O_OWNER]
            if special | owner >> COLD_SHIFT != 0:
                if price != 0:
                    _note_span(state, instrument, first, price)
                first = 0
                price = 0
                hand.lots = lots
                goes_on: bool = self.stepping.step(resting)
                lots = hand.lots
                if not goes_on:
                    break
                levels = state.ladder.levels  # a level may have been made, or the ladder centred
                limit_number = level_of(instruments, instrument, 1 - side, limit)
                continue
            contra: i64 = owner & POSITION_MASK
            contra_id: i64 = orders[resting + O_ID]
            price = orders[resting + O_PRICE]
            if first == 0:
                first = price
            left: i64 = orders[resting + O_LEAVES]
            traded: i64 = min(lots, left)
            lots -= traded
            left -= traded
            total: i64 = levels[at + L_LOTS] - traded
            levels[at + L_LOTS] = total
            orders[resting + O_LEAVES] = left
            is_own: bool = accounts[positions[contra + P_ACCOUNT] + A_OWNER] == mine
            if state.risk:
                value: i64 = price * traded * tick_value
                if side == BUY:
                    reserved: i64 = limit * traded * tick_value
                    _move(state, position, contra, traded, value, reserved)
                else:
                    _move(state, contra, position, traded, value, value)
            self._report(contra_id, price, traded, left << 32 | lots, total, is_own)
            if left == 0:
                self._remove_first(resting, contra_id, book_side, at)
        hand.lots = lots
        if price == 0:
            return
        if state.work_due or state.careful:
            _note_span(state, instrument, first, price)
        else:
            instruments[instrument + I_LAST] = price
            instruments[instrument + I_HIGH] = price
            instruments[instrument + I_LOW] = price

    def _report(
        self, contra_id: i64, price: i64, lots: i64, leaves: i64, total: i64, is_own: bool
    ) -> None:
        """Tell of a trade of the aggressor; `leaves` is both orders', `total` what is displayed."""
        hand = self.hand
        order_id: i64 = hand.order_id
        accounts: i64 = contra_id >> 32 << 32 | order_id >> 32  # an id names its account
        header: i64 = TRADE_EXECUTED | hand.event
        if is_own:
            header = header | _SELF_TRADE
        self.state.events.emit(header, order_id, accounts, price, lots, leaves, contra_id, total)

    def _remove_first(self, order: i64, order_id: i64, book_side: i64, at: i64) -> None:
        """Drop the filled plain order that stands first in its level."""
        state = self.state
        orders = state.orders.words
        levels = state.ladder.levels
        following: i64 = orders[order + O_NEXT]
        if levels[at + L_ORDERS] >> 32 != 0:
            book.leave(state, order)
        else:
            levels[at + L_HEAD] = following
            levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
            if following != 0:
                orders[following + O_PREVIOUS] = 0
            else:
                levels[at + L_TAIL] = 0
                number: i64 = state.ladder.best[book_side]
                state.ladder.clear(book_side, number, orders[order + O_PRICE])
        state.orders.remove(order)
        state.ids.release(order_id)


def _note_span(state: State, instrument: i64, first: i64, last: i64) -> None:
    """Remember the prices of trades from first to last."""
    words = state.instruments.words
    words[instrument + I_LAST] = last
    words[instrument + I_HIGH] = max(words[instrument + I_HIGH], max(first, last))
    words[instrument + I_LOW] = min(words[instrument + I_LOW], min(first, last))
    state.work_due = True


def _move(
    state: State, buyer: i64, seller: i64, lots: i64, value_minor: i64, reserved_minor: i64
) -> None:
    """Exchange the lots of a trade between plain orders, and end the reservations for them.

    The buyer had reserved `reserved_minor` (at its limit) for lots that cost `value_minor`.
    """
    accounts = state.accounts.words
    positions = state.positions.words
    positions[buyer + P_OPEN_LOTS + BUY] = positions[buyer + P_OPEN_LOTS + BUY] - lots
    positions[buyer + P_TOTAL] = positions[buyer + P_TOTAL] + lots
    positions[seller + P_OPEN_LOTS + SELL] = positions[seller + P_OPEN_LOTS + SELL] - lots
    positions[seller + P_TOTAL] = positions[seller + P_TOTAL] - lots
    payer: i64 = positions[buyer + P_ACCOUNT]
    payee: i64 = positions[seller + P_ACCOUNT]
    accounts[payer + A_RESERVED] = accounts[payer + A_RESERVED] - reserved_minor
    accounts[payer + A_TOTAL] = accounts[payer + A_TOTAL] - value_minor
    accounts[payee + A_TOTAL] = accounts[payee + A_TOTAL] + value_minor
