"""Price-time matching: an aggressor trades with the orders at the best levels, oldest first."""

from typing import final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.book import O_ID, O_LEAVES, O_NEXT, O_POSITION, O_PREVIOUS, O_PRICE, SIDE_MASK
from hotpath.core.instruments import I_REFERENCE, I_TICK_VALUE_MINOR, level_of
from hotpath.core.ladder import L_HEAD, L_LOTS, L_ORDERS, L_TAIL, LEVEL_SHIFT
from hotpath.core.positions import P_INSTRUMENT
from hotpath.core.risk import move
from hotpath.core.state import State
from shared.domain.records import BUY, TRADE_EXECUTED


def crosses(best: vec[i64], instruments: vec[i64], instrument: i64, side: i64, limit: i64) -> bool:
    """Return whether an order of `side` at `limit` would trade at once."""
    opposite: i64 = 1 - side
    return best[(instrument >> 3) + opposite] <= level_of(instruments, instrument, opposite, limit)


@final
class Matching:
    def __init__(self, state: State, max_trades: i64, risk: bool) -> None:
        """`max_trades` bounds how many trades one command may cause; see Engine for `risk`."""
        self.state = state
        self.risk = risk
        self.max_trades: i64 = max_trades

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
        accounts = state.accounts.words
        positions = state.positions.words
        instruments = state.instruments.words
        instrument: i64 = positions[position + P_INSTRUMENT]
        tick_value: i64 = instruments[instrument + I_TICK_VALUE_MINOR]
        book_side: i64 = (instrument >> 3) + 1 - side
        limit_level: i64 = level_of(instruments, instrument, 1 - side, limit)
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
            value: i64 = price * traded * tick_value
            if not self.risk:
                pass
            elif side == BUY:
                reserved: i64 = limit * traded * tick_value
                move(accounts, positions, position, contra, traded, value, reserved)
            else:
                move(accounts, positions, contra, position, traded, value, value)
            state.events.emit(
                TRADE_EXECUTED | event,
                order_id,
                contra_id >> 32 << 32 | order_id >> 32,  # an id names its account
                price,
                traded,
                left << 32 | lots,
                contra_id,
                total,
            )
            if left == 0:
                self._remove_first(resting, contra_id, book_side, level)
        if price != 0:
            instruments[instrument + I_REFERENCE] = price
        return lots

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
