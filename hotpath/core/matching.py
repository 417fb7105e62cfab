"""Price-time matching: an aggressor trades with the orders at the best levels, in their order.

`match` is the short way: aggressor and resting order are plain, and nothing in the instrument looks
at trades. Whatever else there is goes through `stepping.py`, one resting order at a time.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.aggressor import Aggressor
from hotpath.core.codes import (
    CANCEL_TOO_MANY_TRADES,
)
from hotpath.core.instruments import level_of
from hotpath.core.ladder import Ladder
from hotpath.core.layout import (
    A_OWNER,
    A_RESERVED,
    A_TOTAL,
    COLD_SHIFT,
    DARK_SHIFT,
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
    P_OPEN_LOTS,
    P_TOTAL,
    POSITION_MASK,
)
from hotpath.core.orders import unchain
from hotpath.core.state import State
from hotpath.core.stepping import Stepping
from shared.domain.records import BUY, FLAG_SELF_TRADE, SELL, TRADE_EXECUTED


@final
class Matching:
    def __init__(self, state: State, hand: Aggressor, stepping: Stepping) -> None:
        self.state: Final = state
        self.hand: Final = hand
        self.stepping: Final = stepping

    def match(self) -> None:
        """Trade the aggressor's `lots` as far as they go; set `lots` and `stopped`."""
        hand = self.hand
        instrument: i64 = hand.instrument
        opposite: i64 = 1 - hand.side
        lots: i64 = hand.lots
        hand.stopped = 0
        levels = self.state.ladder.levels
        orders = self.state.orders.words
        accounts = self.state.accounts.words
        positions = self.state.positions.words
        mine: i64 = accounts[self.state.positions.account_of(hand.position) + A_OWNER]
        book_side: i64 = self.state.instruments.side(instrument, opposite)
        limit: i64 = level_of(self.state.instruments.words, instrument, opposite, hand.limit)
        special: i64 = hand.row | self.state.instruments.words[instrument + I_WATCH]
        if self.state.careful:
            special = special | 1
        steps: i64 = self.state.max_trades
        first: i64 = 0  # prices of the trades since the last that went the long way
        price: i64 = 0
        while lots > 0 and self.state.ladder.best[book_side] <= limit:
            if steps == 0:
                hand.stopped = CANCEL_TOO_MANY_TRADES
                break
            steps -= 1
            at: i64 = self.state.ladder.best_at[book_side]
            resting: i64 = levels[at + L_HEAD]
            owner: i64 = orders[resting + O_OWNER]
            if special | owner >> COLD_SHIFT != 0:
                _note_span(self.state, instrument, first, price)
                first = 0
                price = 0
                hand.lots = lots
                goes_on: bool = self.stepping.step(resting)
                lots = hand.lots
                if not goes_on:
                    break
                levels = self.state.ladder.levels  # a level may be new, or the ladder centred
                limit = level_of(self.state.instruments.words, instrument, opposite, hand.limit)
                continue
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
            contra: i64 = owner & POSITION_MASK
            account: i64 = self.state.positions.account_of(contra)
            if self.state.risk:
                self._move(accounts, positions, account, contra, traded, price)
            header: i64 = TRADE_EXECUTED | hand.event
            if accounts[account + A_OWNER] == mine:
                header = header | FLAG_SELF_TRADE << 32
            contra_id: i64 = orders[resting + O_ID]
            self._report(header, contra_id, price, traded, left << 32 | lots, total)
            if left == 0:
                if levels[at + L_ORDERS] >> DARK_SHIFT != 0:
                    book.leave(self.state, resting)
                else:
                    _leave_first(self.state.ladder, levels, orders, book_side, at, resting)
                unchain(orders, accounts, positions, resting, account, owner)
                self.state.orders.give_row(orders, resting)
                self.state.ids.release(contra_id)
        hand.lots = lots
        if self.state.work_due or self.state.careful:
            _note_span(self.state, instrument, first, price)
        elif price != 0:
            self.state.instruments.words[instrument + I_LAST] = price
            self.state.instruments.words[instrument + I_HIGH] = price
            self.state.instruments.words[instrument + I_LOW] = price

    def _move(
        self,
        accounts: vec[i64],
        positions: vec[i64],
        contra_account: i64,
        contra: i64,
        lots: i64,
        price: i64,
    ) -> None:
        """Exchange the lots of a trade between plain orders, and end the reservations for them.

        A buyer had reserved its limit, which for the resting order is the price.
        """
        position: i64 = self.hand.position
        account: i64 = self.state.positions.account_of(position)
        tick_value: i64 = self.state.instruments.words[self.hand.instrument + I_TICK_VALUE]
        value: i64 = price * lots * tick_value
        if self.hand.side == BUY:
            reserved: i64 = self.hand.limit * lots * tick_value
            _exchange(positions, position, contra, lots)
            _pay(accounts, account, contra_account, value, reserved)
        else:
            _exchange(positions, contra, position, lots)
            _pay(accounts, contra_account, account, value, value)

    def _report(
        self, header: i64, contra_id: i64, price: i64, lots: i64, leaves: i64, total: i64
    ) -> None:
        """Tell of a trade of the aggressor; `leaves` is both orders', `total` what is displayed."""
        order_id: i64 = self.hand.order_id
        accounts: i64 = contra_id >> 32 << 32 | order_id >> 32  # an id names its account
        self.state.events.emit(header, order_id, accounts, price, lots, leaves, contra_id, total)


def _leave_first(
    ladder: Ladder, levels: vec[i64], orders: vec[i64], side: i64, at: i64, order: i64
) -> None:
    """Drop the filled plain order that stands first in a level without dark orders."""
    following: i64 = orders[order + O_NEXT]
    levels[at + L_HEAD] = following
    levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
    if following != 0:
        orders[following + O_PREVIOUS] = 0
    else:
        levels[at + L_TAIL] = 0
        ladder.clear(side, ladder.best[side], orders[order + O_PRICE])


def _note_span(state: State, instrument: i64, first: i64, last: i64) -> None:
    """Remember the prices of trades from first to last; 0: there were none."""
    if last == 0:
        return
    words = state.instruments.words
    words[instrument + I_LAST] = last
    words[instrument + I_HIGH] = max(words[instrument + I_HIGH], max(first, last))
    words[instrument + I_LOW] = min(words[instrument + I_LOW], min(first, last))
    state.work_due = True


def _exchange(positions: vec[i64], buyer: i64, seller: i64, lots: i64) -> None:
    """Move the lots of a trade from position to position."""
    positions[buyer + P_OPEN_LOTS + BUY] = positions[buyer + P_OPEN_LOTS + BUY] - lots
    positions[buyer + P_TOTAL] = positions[buyer + P_TOTAL] + lots
    positions[seller + P_OPEN_LOTS + SELL] = positions[seller + P_OPEN_LOTS + SELL] - lots
    positions[seller + P_TOTAL] = positions[seller + P_TOTAL] - lots


def _pay(accounts: vec[i64], payer: i64, payee: i64, value_minor: i64, reserved_minor: i64) -> None:
    """Move the cash of a trade; end what the buyer had reserved for it."""
    accounts[payer + A_RESERVED] = accounts[payer + A_RESERVED] - reserved_minor
    accounts[payer + A_TOTAL] = accounts[payer + A_TOTAL] - value_minor
    accounts[payee + A_TOTAL] = accounts[payee + A_TOTAL] + value_minor
