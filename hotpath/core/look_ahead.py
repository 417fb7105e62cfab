"""Looking ahead: what the next commands will need is asked for before the first of them is applied.

With many orders a command waits for memory most of its time, for one row after the other: its id's,
its order's, its level's. The rows of different commands do not depend on each other, so those of a
group are asked for together, in stages: each names the rows that the one before it has brought.
Nothing is changed here, and no command's answer depends on whether it was looked for.
"""

from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ids import ORDER_ID_BITS, home_word, search, slot_in
from hotpath.core.instruments import level_of
from hotpath.core.layout import (
    A_MAX_POSITION,
    A_TOTAL,
    CHAIN_SHIFT,
    L_TAIL,
    LEVEL_SHIFT,
    O_CHAIN,
    O_ID,
    O_NEXT,
    O_OWNER,
    O_PREVIOUS,
    O_PRICE,
    OLDER_MASK,
    ORDER_SHIFT,
    P_NEWEST_ORDER,
    P_TOTAL,
    POSITION_MASK,
    SIDE_MASK,
)
from hotpath.core.state import State
from hotpath.core.words import prefetch, zeros
from shared.domain.records import C_HEADER, C_ID, C_PRICE, CANCEL_ORDER, PLACE_ORDER, REPLACE_ORDER

GROUP: Final = 8  # commands that are looked for together
_MANY_ORDERS: Final = 1 << 15  # with fewer the tables stay in the cache by themselves


@final
class LookAhead:
    """`expect` takes the next commands one by one; `bring` asks for what they will need."""

    def __init__(self, state: State) -> None:
        self.state: Final = state
        self.from_orders: i64 = _MANY_ORDERS
        self.count: i64 = 0  # of the group; by place in it:
        self.headers: Final[vec[i64]] = zeros(GROUP)
        self.ids: Final[vec[i64]] = zeros(GROUP)
        self.prices: Final[vec[i64]] = zeros(GROUP)
        self.orders: Final[vec[i64]] = zeros(GROUP)  # offsets; 0: none
        self.positions: Final[vec[i64]] = zeros(GROUP)
        self.levels: Final[vec[i64]] = zeros(GROUP)  # where the order will be

    def pays(self) -> bool:
        """Say whether the tables are so large that looking ahead costs less than waiting."""
        return self.state.orders.fresh >> ORDER_SHIFT >= self.from_orders

    def expect_bytes(self, buffer: bytes, offset: i64) -> None:
        """Expect the command at byte `offset`."""
        header: i64 = read_i64_le(buffer, offset + C_HEADER * 8)
        order_id: i64 = read_i64_le(buffer, offset + C_ID * 8)
        self.expect(header, order_id, read_i64_le(buffer, offset + C_PRICE * 8))

    def expect_id(self, word: i64) -> None:
        """Ask for the row of what may be the id of a command that comes soon."""
        prefetch(self.state.ids.rows, home_word(word, self.state.ids.mask))

    def expect(self, header: i64, order_id: i64, price: i64) -> None:
        """Take one of the next GROUP commands, if it is about an order."""
        count: i64 = self.count
        if header < 0 or not PLACE_ORDER <= header & 0xFF <= REPLACE_ORDER or count == GROUP:
            return
        if order_id >> ORDER_ID_BITS != 0:
            return
        prefetch(self.state.ids.rows, home_word(order_id, self.state.ids.mask))
        self.headers[count] = header
        self.ids[count] = order_id
        self.prices[count] = price
        self.count = count + 1

    def bring(self) -> None:
        """Ask for the rows that the expected commands will need; expect none any more."""
        self._find_orders()
        self._find_levels()
        self._find_neighbours()
        self.count = 0

    def _find_orders(self) -> None:
        """Open orders by their ids; for a new one, the position that it will belong to."""
        rows = self.state.ids.rows
        orders = self.state.orders.words
        positions = self.state.positions.words
        place: i64 = 0
        while place < self.count:
            order_id: i64 = self.ids[place]
            row: i64 = search(rows, self.state.ids.mask, order_id)
            order: i64 = 0
            if row >= 0:
                order = slot_in(rows, row) << ORDER_SHIFT
            self.orders[place] = order
            if order != 0:
                prefetch(orders, order + O_ID)
            else:
                account: i64 = self.state.accounts.find(order_id >> 32)
                instrument: i64 = self.state.instruments.find(self.headers[place] >> 48)
                position: i64 = 0
                if account != 0 and instrument != 0:
                    position = self.state.positions.find(account, instrument)
                self.positions[place] = position
                prefetch(positions, position + P_TOTAL)
            place += 1

    def _find_levels(self) -> None:
        """Where orders stand, with those before and behind them; and where they will."""
        instruments = self.state.instruments.words
        levels = self.state.ladder.levels
        place: i64 = 0
        while place < self.count:
            header: i64 = self.headers[place]
            instrument: i64 = self.state.instruments.find(header >> 48)
            side: i64 = header >> 8 & SIDE_MASK
            order: i64 = self.orders[place]
            if order != 0:
                side = self.state.orders.words[order + O_OWNER] & SIDE_MASK
                self._find_around(place, order, instrument, side)
            number: i64 = level_of(instruments, instrument, side, self.prices[place])
            self.levels[place] = 0
            book_side: i64 = self.state.instruments.side(instrument, side)
            if instrument != 0 and self.state.ladder.holds(book_side, number):
                self.levels[place] = number << LEVEL_SHIFT
                prefetch(levels, (number << LEVEL_SHIFT) + L_TAIL)
            place += 1

    def _find_around(self, place: i64, order: i64, instrument: i64, side: i64) -> None:
        orders = self.state.orders.words
        levels = self.state.ladder.levels
        position: i64 = orders[order + O_OWNER] & POSITION_MASK
        self.positions[place] = position
        prefetch(self.state.positions.words, position + P_TOTAL)
        price: i64 = orders[order + O_PRICE]
        number: i64 = level_of(self.state.instruments.words, instrument, side, price)
        prefetch(levels, (number << LEVEL_SHIFT) + L_TAIL)
        prefetch(orders, orders[order + O_PREVIOUS] + O_NEXT)
        prefetch(orders, orders[order + O_NEXT] + O_PREVIOUS)
        if self.headers[place] & 0xFF == CANCEL_ORDER:
            prefetch(orders, (orders[order + O_CHAIN] & OLDER_MASK) + O_CHAIN)
            prefetch(orders, (orders[order + O_CHAIN] >> CHAIN_SHIFT) + O_CHAIN)

    def _find_neighbours(self) -> None:
        """Accounts, and the orders behind which those that come will stand."""
        orders = self.state.orders.words
        positions = self.state.positions.words
        accounts = self.state.accounts.words
        levels = self.state.ladder.levels
        place: i64 = 0
        while place < self.count:
            position: i64 = self.positions[place]
            account: i64 = self.state.positions.account_of(position)
            prefetch(accounts, account + A_TOTAL)
            prefetch(accounts, account + A_MAX_POSITION)
            prefetch(orders, levels[self.levels[place] + L_TAIL] + O_NEXT)
            if self.orders[place] == 0:
                prefetch(orders, positions[position + P_NEWEST_ORDER] + O_CHAIN)
            place += 1
