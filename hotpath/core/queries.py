"""What may be asked of the state: accounts, positions, book levels, open orders."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import book, sweeping
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID
from hotpath.core.layout import (
    A_CURRENCY,
    A_HELD,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_SETTLED,
    A_STATE,
    A_TOTAL,
    I_ID,
    I_LAST,
    I_SESSION,
    INSTRUMENT_SHIFT,
    L_HEAD,
    L_LOTS,
    L_ORDERS,
    O_ID,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    ORDERS_MASK,
    P_INSTRUMENT,
    P_NEWEST_ORDER,
    P_OPEN_LOTS,
    P_SETTLED,
    P_TOTAL,
    POSITION_MASK,
    SIDE_MASK,
)
from hotpath.core.promises import cash_left, margin_value
from hotpath.core.state import State
from hotpath.core.sweeps import Sweep
from shared.domain.ids import MAX_ACCOUNT_ID, MAX_INSTRUMENT_ID
from shared.domain.records import BUY, SELL

OrderRow = tuple[int, int, int, int, int]  # order id, instrument id, side, price, leaves
LevelRow = tuple[int, int, int]  # price, lots, orders


@final
class Queries:
    def __init__(self, state: State) -> None:
        self.state: Final = state

    def account(self, account_id: int) -> tuple[int, int, int, int, int, int, int] | None:
        """Return state, currency, total, settled, reserved, held, open orders; None: unknown."""
        account: i64 = self._account(account_id)
        if account == 0:
            return None
        a = self.state.accounts.words
        return (
            a[account + A_STATE],
            a[account + A_CURRENCY],
            a[account + A_TOTAL],
            a[account + A_SETTLED],
            a[account + A_RESERVED],
            a[account + A_HELD],
            a[account + A_OPEN_ORDERS],
        )

    def positions(self, account_id: int) -> list[tuple[int, int, int, int, int]]:
        """Return, by instrument id: id, total, settled, lots in open buys, in open sells.

        Positions that are all zero are left out.
        """
        found: list[tuple[int, int, int, int, int]] = []
        account: i64 = self._account(account_id)
        if account == 0:
            return found
        p = self.state.positions.words
        i = self.state.instruments.words
        slot: i64 = 1
        while slot <= self.state.instruments.count:
            instrument: i64 = slot << INSTRUMENT_SHIFT
            at: i64 = self.state.positions.find(account, instrument)
            row = (
                int(i[instrument + I_ID]),
                int(p[at + P_TOTAL]),
                int(p[at + P_SETTLED]),
                int(p[at + P_OPEN_LOTS + BUY]),
                int(p[at + P_OPEN_LOTS + SELL]),
            )
            if row[1:] != (0, 0, 0, 0):
                found.append(row)
            slot += 1
        found.sort()
        return found

    def instrument(self, instrument_id: int) -> tuple[int, int] | None:
        """Return the session and the price of the last trade (or the reference); None: unknown."""
        instrument: i64 = self._instrument(instrument_id)
        if instrument == 0:
            return None
        i = self.state.instruments.words
        return i[instrument + I_SESSION], i[instrument + I_LAST]

    def book_levels(
        self, instrument_id: int, depth: int
    ) -> tuple[list[LevelRow], list[LevelRow]] | None:
        """Return bids and offers, best first, `depth` levels a side (0: all); None: unknown."""
        instrument: i64 = self._instrument(instrument_id)
        if instrument == 0:
            return None
        return self._levels(instrument, BUY, depth), self._levels(instrument, SELL, depth)

    def _levels(self, instrument: i64, side: i64, depth: int) -> list[LevelRow]:
        """Return the levels that others see."""
        state = self.state
        levels = state.ladder.levels
        at: i64 = book.first_level(state, instrument, side)
        found: list[LevelRow] = []
        while at != 0 and (depth == 0 or len(found) < depth):
            if levels[at + L_LOTS] != 0:
                price: i64 = state.orders.words[levels[at + L_HEAD] + O_PRICE]
                found.append((price, levels[at + L_LOTS], levels[at + L_ORDERS] & ORDERS_MASK))
            at = book.next_level(state, instrument, side, at)
        return found

    def buying_power(self, account_id: int) -> int | None:
        """Return the cash that new orders of an account may reserve; None: unknown."""
        account: i64 = self._account(account_id)
        if account == 0:
            return None
        return int(cash_left(self.state, account)) + margin_value(self.state, account)

    def open_orders(self, account_id: int) -> list[OrderRow]:
        """Return the account's open orders, by instrument id, newest first."""
        found: list[OrderRow] = []
        for row in self.positions(account_id):
            position: i64 = self.state.positions.find(
                self._account(account_id), self._instrument(row[0])
            )
            order: i64 = self.state.positions.words[position + P_NEWEST_ORDER]
            while order != 0:
                found.append(self._order_row(order))
                order = self.state.orders.older(order)
        return found

    def order(self, order_id: int) -> OrderRow | None:
        """Return an open order, or None."""
        if not 0 < order_id < FIRST_ADMINISTRATIVE_ID:
            return None
        order: i64 = self.state.open_order(order_id)
        return None if order == 0 else self._order_row(order)

    def orders_of_session(self, session: int) -> int:
        """Return how many open orders leave when a session ends."""
        sweep = Sweep(self.state.orders.clock, 0)
        sweep.session = session
        return int(sweeping.count(self.state, sweep))

    def is_session_throttled(self, session: int) -> bool:
        """Return whether a throttle was set for a session; what it sends has to name it."""
        return self.state.sessions.find(session) != 0

    def first_sequence(self, id_: int) -> int:
        """Return the sequence of the accepted command that used an id first; 0: none did."""
        return self.state.ids.first_sequence(id_) if 0 < id_ < 1 << 63 else 0

    def _order_row(self, order: i64) -> OrderRow:
        o = self.state.orders.words
        p = self.state.positions.words
        instrument: i64 = p[(o[order + O_OWNER] & POSITION_MASK) + P_INSTRUMENT]
        return (
            o[order + O_ID],
            self.state.instruments.words[instrument + I_ID],
            o[order + O_OWNER] & SIDE_MASK,
            o[order + O_PRICE],
            o[order + O_LEAVES],
        )

    def _account(self, account_id: int) -> i64:
        return self.state.accounts.find(account_id) if 0 < account_id <= MAX_ACCOUNT_ID else 0

    def _instrument(self, instrument_id: int) -> i64:
        known: bool = 0 < instrument_id <= MAX_INSTRUMENT_ID
        return self.state.instruments.find(instrument_id) if known else 0
