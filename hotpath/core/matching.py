"""Price-time matching: an aggressor trades with the orders at the best levels, oldest first."""

from typing import final

from mypy_extensions import i64

from hotpath.core.accounts import A_ID
from hotpath.core.book import O_ID, O_LEAVES, O_NEXT, O_POSITION, O_PREVIOUS, O_PRICE, SIDE_MASK
from hotpath.core.instruments import I_REFERENCE, I_TICK_VALUE_MINOR
from hotpath.core.ladder import L_HEAD, L_LOTS, L_ORDERS, L_TAIL, LEVEL_SHIFT
from hotpath.core.positions import P_ACCOUNT, P_INSTRUMENT
from hotpath.core.state import State
from shared.domain.records import BUY, TRADE_EXECUTED


@final
class Matching:
    def __init__(self, state: State, max_trades: i64) -> None:
        """`max_trades` bounds how many trades one command may cause."""
        self.state = state
        self.max_trades: i64 = max_trades

    def crosses(self, instrument: i64, side: i64, limit: i64) -> bool:
        """Return whether an order of `side` at `limit` would trade at once."""
        opposite: i64 = 1 - side
        best: i64 = self.state.ladder.best[(instrument >> 3) + opposite]
        return best <= self.state.instruments.level(instrument, opposite, limit)

    def trade(
        self, event: i64, order_id: i64, position: i64, side: i64, limit: i64, lots: i64
    ) -> i64:
        """Trade `lots` of an aggressor, at `limit` or better; return the lots left over.

        Its lots and, for a buy, its value at `limit` are reserved. `event` holds side and
        instrument as in an event's header.
        """
        state = self.state
        best = state.ladder.best
        levels = state.ladder.levels
        orders = state.book.words
        instrument: i64 = state.positions.words[position + P_INSTRUMENT]
        tick_value: i64 = state.instruments.words[instrument + I_TICK_VALUE_MINOR]
        account_id: i64 = self._account_id(position)
        book_side: i64 = (instrument >> 3) + 1 - side
        limit_level: i64 = state.instruments.level(instrument, 1 - side, limit)
        trades: i64 = self.max_trades
        price: i64 = 0
        while lots > 0 and trades > 0:
            level: i64 = best[book_side]
            if level > limit_level:
                break
            at: i64 = level << LEVEL_SHIFT
            resting: i64 = levels[at + L_HEAD]
            contra: i64 = orders[resting + O_POSITION] & ~SIDE_MASK
            contra_id: i64 = orders[resting + O_ID]
            price = orders[resting + O_PRICE]
            left: i64 = orders[resting + O_LEAVES]
            traded: i64 = min(lots, left)
            lots -= traded
            left -= traded
            trades -= 1
            total: i64 = levels[at + L_LOTS] - traded
            levels[at + L_LOTS] = total
            orders[resting + O_LEAVES] = left
            if side == BUY:
                state.risk.trade(
                    position,
                    contra,
                    traded,
                    price * traded * tick_value,
                    limit * traded * tick_value,
                )
            else:
                value: i64 = price * traded * tick_value
                state.risk.trade(contra, position, traded, value, value)
            state.events.emit(
                TRADE_EXECUTED | event,
                order_id,
                self._account_id(contra) << 32 | account_id,
                price,
                traded,
                left << 32 | lots,
                contra_id,
                total,
            )
            if left == 0:
                self._remove_first(resting, contra_id, book_side, level)
        if price != 0:
            state.instruments.words[instrument + I_REFERENCE] = price
        return lots

    def _account_id(self, position: i64) -> i64:
        account: i64 = self.state.positions.words[position + P_ACCOUNT]
        return self.state.accounts.words[account + A_ID]

    def _remove_first(self, order: i64, order_id: i64, book_side: i64, level: i64) -> None:
        """Drop the filled order that stands first in its level."""
        state = self.state
        orders = state.book.words
        levels = state.ladder.levels
        at: i64 = level << LEVEL_SHIFT
        following: i64 = orders[order + O_NEXT]
        levels[at + L_HEAD] = following
        levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
        if following != 0:
            orders[following + O_PREVIOUS] = 0
        else:
            levels[at + L_TAIL] = 0
            state.ladder.clear(book_side, level)
        state.book.remove(order)
        state.ids.release(order_id)
