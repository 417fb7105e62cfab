"""The uncross: the price at which most trades, and the trades of all at that price."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book, fees, icebergs, leaving, prices, session_changes, trailing, waiting
from hotpath.core.auction_sides import AuctionSide, limit_of, waiting_tree
from hotpath.core.codes import EXPIRED_AUCTION_OVER
from hotpath.core.ladder import key_of
from hotpath.core.layout import (
    I_ID,
    I_LAST,
    I_TICK_VALUE,
    I_UNCROSS_ORDER,
    IN_AUCTION,
    IN_BOOK,
    IS_INCOMING,
    O_ID,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    POSITION_MASK,
    X_PLACE,
)
from hotpath.core.state import State
from hotpath.core.stepping import end_promises, exchange, same_owner, take
from hotpath.core.words import grown, zeros
from shared.domain.records import (
    BUY,
    FLAG_AUCTION,
    FLAG_SELF_TRADE,
    LEVEL_CHANGED,
    SELL,
    TRADE_EXECUTED,
    UNCROSS_PRESSURE,
    UNCROSS_SURPLUS,
    UNCROSS_VOLUME,
    UNCROSSED,
)


@final
class Auction:
    """Finds the price (`find_price`), and trades at it (`uncross`)."""

    def __init__(self, state: State) -> None:
        self.state: Final = state
        self.price: i64 = 0  # the outcome; 0: nothing would trade
        self.lots: i64 = 0
        self.surplus: i64 = 0  # positive: unfilled buying
        # Candidates, from the lowest price: price, lots wanted there or above, offered or below.
        self.prices: vec[i64] = zeros(16)
        self.wanted: vec[i64] = zeros(16)
        self.offered: vec[i64] = zeros(16)
        self.count: i64 = 0
        self.traded: list[int] = []

    # --- the price -------------------------------------------------------------------------------

    def find_price(self, instrument: i64) -> None:
        self._collect(instrument)
        kept: i64 = 0
        index: i64 = 0
        while index < self.count:  # from here on `wanted` is the volume, `offered` the surplus
            wanted: i64 = self.wanted[index]
            offered: i64 = self.offered[index]
            if min(wanted, offered) > 0:
                self.prices[kept] = self.prices[index]
                self.wanted[kept] = min(wanted, offered)
                self.offered[kept] = wanted - offered
                kept += 1
            index += 1
        self.count = kept
        words = self.state.instruments.words
        order: i64 = words[instrument + I_UNCROSS_ORDER]
        while order != 0 and self.count > 0:
            self._narrow(order & 0xF, words[instrument + I_LAST])
            order = order >> 4
        self.price = 0
        self.lots = 0
        self.surplus = 0
        if self.count > 0:
            self.price = self.prices[self.count - 1]  # the highest of equals
            self.lots = self.wanted[self.count - 1]
            self.surplus = self.offered[self.count - 1]

    def _collect(self, instrument: i64) -> None:
        """Set the candidates: all limits that take part, and the last price between them."""
        state = self.state
        self.count = 0
        side = AuctionSide(state, instrument, SELL)
        order: i64 = side.order()
        while order != 0:  # offers come from the lowest price
            self._candidate(limit_of(state, order))
            at: i64 = self.count - 1
            self.offered[at] = self.offered[at] + state.orders.words[order + O_LEAVES]
            side.advance()
            order = side.order()
        offers: i64 = self.count
        side = AuctionSide(state, instrument, BUY)
        order = side.order()
        first_bid: i64 = self.count
        while order != 0:  # bids come from the highest
            limit: i64 = limit_of(state, order)
            if self.count == first_bid or self.prices[self.count - 1] != limit:
                self._append(limit)
            at = self.count - 1
            self.wanted[at] = self.wanted[at] + state.orders.words[order + O_LEAVES]
            side.advance()
            order = side.order()
        self._merge(offers, state.instruments.words[instrument + I_LAST])

    def _candidate(self, price: i64) -> None:
        if self.count == 0 or self.prices[self.count - 1] != price:
            self._append(price)

    def _append(self, price: i64) -> None:
        if self.count == len(self.prices):
            size: i64 = 2 * self.count
            self.prices = grown(self.prices, size)
            self.wanted = grown(self.wanted, size)
            self.offered = grown(self.offered, size)
        self.prices[self.count] = price
        self.wanted[self.count] = 0
        self.offered[self.count] = 0
        self.count += 1

    def _merge(self, offers: i64, last: i64) -> None:
        """Sort offers (rising) and bids (falling) into one rising row with running totals."""
        size: i64 = self.count + 1
        merged: vec[i64] = zeros(size)
        wanted: vec[i64] = zeros(size)
        offered: vec[i64] = zeros(size)
        one: i64 = 0
        two: i64 = self.count - 1
        found: i64 = 0
        is_last_due: bool = self._spans(offers, last)
        while one < offers or two >= offers or is_last_due:
            price: i64 = 1 << 62
            if one < offers:
                price = self.prices[one]
            if two >= offers:
                price = min(price, self.prices[two])
            if is_last_due:
                price = min(price, last)
                is_last_due = price != last
            merged[found] = price
            if one < offers and self.prices[one] == price:
                offered[found] = self.offered[one]
                one += 1
            if two >= offers and self.prices[two] == price:
                wanted[found] = self.wanted[two]
                two -= 1
            found += 1
        index: i64 = 1
        while index < found:
            offered[index] = offered[index] + offered[index - 1]
            index += 1
        index = found - 2
        while index >= 0:
            wanted[index] = wanted[index] + wanted[index + 1]
            index -= 1
        self.prices = merged
        self.wanted = wanted
        self.offered = offered
        self.count = found

    def _spans(self, offers: i64, last: i64) -> bool:
        """Say whether the last price lies between the lowest and the highest limit."""
        if self.count == 0:
            return False
        lowest: i64 = 1 << 62
        highest: i64 = 0
        if offers > 0:
            lowest = self.prices[0]
            highest = self.prices[offers - 1]
        if self.count > offers:
            lowest = min(lowest, self.prices[self.count - 1])
            highest = max(highest, self.prices[offers])
        return lowest <= last <= highest

    def _narrow(self, criterion: i64, reference: i64) -> None:
        """Keep the candidates that are best by one criterion."""
        if criterion == UNCROSS_PRESSURE:
            self._press()
            return
        best: i64 = 1 << 62
        index: i64 = 0
        while index < self.count:
            best = min(best, self._badness(index, criterion, reference))
            index += 1
        kept: i64 = 0
        index = 0
        while index < self.count:
            if self._badness(index, criterion, reference) == best:
                self._keep(index, kept)
                kept += 1
            index += 1
        self.count = kept

    def _badness(self, index: i64, criterion: i64, reference: i64) -> i64:
        if criterion == UNCROSS_VOLUME:
            return -self.wanted[index]
        if criterion == UNCROSS_SURPLUS:
            return prices.distance(self.offered[index], 0)
        return prices.distance(self.prices[index], reference)

    def _press(self) -> None:
        """If all surpluses are buying keep the highest price, if all are selling the lowest."""
        buying: i64 = 0
        selling: i64 = 0
        index: i64 = 0
        while index < self.count:
            if self.offered[index] > 0:
                buying += 1
            elif self.offered[index] < 0:
                selling += 1
            index += 1
        if buying == self.count:
            self._keep(self.count - 1, 0)
            self.count = 1
        elif selling == self.count:
            self.count = 1

    def _keep(self, index: i64, to: i64) -> None:
        self.prices[to] = self.prices[index]
        self.wanted[to] = self.wanted[index]
        self.offered[to] = self.offered[index]

    def publish(self, instrument: i64, kind: i64) -> None:
        header: i64 = kind | self.state.instruments.words[instrument + I_ID] << 48
        self.state.events.emit(header, 0, 0, self.price, self.lots, self.surplus, 0, 0)

    # --- the trades ------------------------------------------------------------------------------

    def uncross(self, instrument: i64, following: i64) -> None:
        """Trade the whole auction at one price, expire what was for it alone, open what follows."""
        state = self.state
        self.find_price(instrument)
        self.publish(instrument, UNCROSSED)
        only_here: list[int] = []
        self._add_waiting(instrument, BUY, only_here)
        self._add_waiting(instrument, SELL, only_here)
        ages = [int(state.orders.accepted(order)) for order in only_here]
        if self.price != 0:
            self._trade_all(instrument)
        for index in range(len(only_here)):
            order: i64 = only_here[index]
            if state.orders.accepted(order) == ages[index]:
                leaving.cancel(state, order, EXPIRED_AUCTION_OVER, True)
        session_changes.change(state, instrument, following, 0, 0)

    def _add_waiting(self, instrument: i64, side: i64, found: list[int]) -> None:
        state = self.state
        tree: i64 = waiting_tree(state, instrument, side)
        if tree == 0:
            return
        order: i64 = book.first_waiting(state, tree)
        while order != 0:
            found.append(int(order))
            key: i64 = key_of(side, limit_of(state, order))
            order = book.next_waiting(state, state.ladder.trees, tree, key, order)

    def _trade_all(self, instrument: i64) -> None:
        """Trade at the price. Links act afterwards: in between they would leave a crossed book."""
        state = self.state
        traded: list[int] = []
        icebergs_traded: list[tuple[int, int]] = []
        touched: dict[tuple[int, int], bool] = {}  # side, price
        while True:
            buy: i64 = AuctionSide(state, instrument, BUY).order()
            sell: i64 = AuctionSide(state, instrument, SELL).order()
            if buy == 0 or sell == 0:
                break
            if limit_of(state, buy) < self.price or limit_of(state, sell) > self.price:
                break
            self._note_iceberg(buy, icebergs_traded)
            self._note_iceberg(sell, icebergs_traded)
            self._note_level(buy, touched)
            self._note_level(sell, touched)
            self._trade(instrument, buy, sell)
            traded.append(int(buy))
            traded.append(int(sell))
            for order in (buy, sell):
                if state.orders.words[order + O_LEAVES] == 0:
                    self._leave(order)
        trailing.note_price(state, instrument, self.price)
        ages = [int(state.orders.accepted(order)) for order in traded]
        for index in range(len(traded)):
            one: i64 = traded[index]
            if state.orders.accepted(one) == ages[index]:
                leaving.after_trade(state, one)
        for age, order in sorted(icebergs_traded):
            self._replenish(order, age)
        self._report_levels(instrument, touched)

    def _note_level(self, order: i64, touched: dict[tuple[int, int], bool]) -> None:
        if leaving.place_of(self.state, order) == IN_BOOK:
            price = int(self.state.orders.words[order + O_PRICE])
            touched[(int(book.side_of(self.state, order)), price)] = True

    def _report_levels(self, instrument: i64, touched: dict[tuple[int, int], bool]) -> None:
        """Tell what is displayed now where orders traded: trades of an auction do not say it."""
        bids = sorted([price for side, price in touched if side == BUY], reverse=True)
        offers = sorted([price for side, price in touched if side == SELL])
        for price in bids:
            self._report_level(instrument, BUY, price)
        for price in offers:
            self._report_level(instrument, SELL, price)

    def _report_level(self, instrument: i64, side: i64, price: i64) -> None:
        number: i64 = self.state.instruments.words[instrument + I_ID]
        lots: i64 = book.lots_at(self.state, instrument, side, price)
        header: i64 = LEVEL_CHANGED | side << 8 | number << 48
        self.state.events.emit(header, 0, 0, price, 0, 0, 0, lots)

    def _note_iceberg(self, order: i64, found: list[tuple[int, int]]) -> None:
        if icebergs.is_iceberg(self.state, order):
            found.append((int(self.state.orders.accepted(order)), int(order)))

    def _replenish(self, order: i64, age: i64) -> None:
        state = self.state
        if state.orders.accepted(order) == age and leaving.place_of(state, order) == IN_BOOK:
            icebergs.replenish(state, order)

    def _leave(self, order: i64) -> None:
        """Take a filled order out of where it was; it is closed when the auction is over."""
        state = self.state
        row: i64 = state.orders.cold_of(order)
        if leaving.place_of(state, order) == IN_AUCTION:
            waiting.leave(state, order)
        else:
            book.leave(state, order)
        if row != 0:
            state.orders.cold[row + X_PLACE] = IS_INCOMING

    def _trade(self, instrument: i64, buy: i64, sell: i64) -> None:
        state = self.state
        words = state.orders.words
        price: i64 = self.price
        lots: i64 = min(words[buy + O_LEAVES], words[sell + O_LEAVES])
        value: i64 = price * lots * state.instruments.words[instrument + I_TICK_VALUE]
        buyer: i64 = words[buy + O_OWNER] & POSITION_MASK
        seller: i64 = words[sell + O_OWNER] & POSITION_MASK
        buy_id: i64 = words[buy + O_ID]
        sell_id: i64 = words[sell + O_ID]
        take(state, buy, lots)
        total: i64 = take(state, sell, lots)
        if state.risk:
            exchange(state, buyer, seller, lots, value)
        flags: i64 = FLAG_AUCTION << 32
        if same_owner(state, buyer, seller):
            flags = flags | FLAG_SELF_TRADE << 32
        state.events.emit(
            TRADE_EXECUTED | flags | state.instruments.words[instrument + I_ID] << 48,
            buy_id,
            sell_id >> 32 << 32 | buy_id >> 32,
            price,
            lots,
            words[sell + O_LEAVES] << 32 | words[buy + O_LEAVES],
            sell_id,
            total,
        )
        for order in (buy, sell):
            if state.orders.cold_of(order) != 0:
                fees.charge(state, order, value, fees.AUCTION_FEE)
            end_promises(state, order, lots, words[order + O_PRICE])
