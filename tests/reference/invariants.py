"""What must hold of the naive market after every command."""

from shared.domain import records as r
from tests.reference import book, risk
from tests.reference.model import AUCTION, BOOK, INCOMING, LINKED, STOPS, Event, Market


def check(market: Market, exempt: set[int]) -> None:
    """Assert everything that the present state must satisfy.

    Accounts that ever had margin or a trade amended are exempt: they may owe more than they have.
    """
    _check_orders(market)
    _check_books(market)
    _check_conservation(market)
    _check_promises(market, exempt)


def _check_orders(market: Market) -> None:
    for order in market.orders.values():
        assert order.place != INCOMING, "no order is left on its way"
        assert 0 < order.leaves <= r.MAX_QUANTITY_LOTS
        assert 1 <= order.limit <= r.MAX_PRICE_TICKS
        assert order.order_id in market.ids
        if order.place == AUCTION:
            assert order.time_in_force in (r.AT_OPEN, r.AT_CLOSE)
        if order.place == LINKED and not order.ready:
            assert order.linked_id in market.orders
        if order.place in (BOOK, STOPS):
            assert order.time_in_force in (r.GTC, r.DAY, r.GTD)
        if order.place == BOOK and order.has(r.ORDER_ICEBERG):
            assert 0 < order.shown <= min(order.display_lots, order.leaves)


def _check_books(market: Market) -> None:
    for number, instrument in market.instruments.items():
        if instrument.session == r.SESSION_CONTINUOUS:
            assert not book.crossed(market, number), "continuous trading leaves no crossed book"
        for side in (r.BUY, r.SELL):
            for order in book.side_of_book(market, number, side):
                within = order.price <= order.limit if side == r.BUY else order.price >= order.limit
                assert within, "an order stands at its limit or behind it"


def _check_conservation(market: Market) -> None:
    """Neither cash nor lots come or go but by command; fees go to the house."""
    total = sum(account.total for account in market.accounts.values())
    assert total + market.fees_collected == market.issued_cash
    for number, instrument in market.instruments.items():
        lots = sum(account.position(number).total for account in market.accounts.values())
        assert lots == instrument.issued


def _check_promises(market: Market, exempt: set[int]) -> None:
    """A cash account never promises more than it has, cash nor lots."""
    for account in market.accounts.values():
        if account.account_id not in exempt:
            assert risk.cash_left(market, account) >= 0
            for number in market.instruments:
                selling = risk.open_lots(market, account.account_id, number, r.SELL)
                assert account.position(number).total >= selling


class Ledger:
    """Follows the events alone: open quantities and the displayed book must come out of them.

    Market data is made of events without a book at hand, so they must tell of every level.
    """

    def __init__(self) -> None:
        self.leaves: dict[int, int] = {}
        self.levels: dict[tuple[int, int, int], int] = {}

    def follow(self, market: Market, events: list[Event]) -> None:
        """Take in one command's events, then compare with the book."""
        for event in events:
            self._take(event)
        assert self.leaves == {key: order.leaves for key, order in market.orders.items()}
        assert self.levels == _displayed(market)

    def _take(self, event: Event) -> None:
        kind, side, flags = event[0] & 0xFF, event[0] >> 8 & 0xFF, event[0] >> 32 & 0xFFFF
        order_id, lots = event[r.E_ID], event[r.E_QUANTITY]
        if kind in (r.ORDER_ACCEPTED, r.ORDER_REPLACED):
            self.leaves[order_id] = lots
        elif kind == r.TRADE_EXECUTED:
            for one in (order_id, event[r.E_CONTRA_ID]):
                self._less(one, lots)
        elif kind in (r.ORDER_CANCELLED, r.ORDER_EXPIRED, r.ORDER_REDUCED):
            self._less(order_id, lots)
        if kind == r.ORDER_REPLACED:
            self._set_level(event, side, event[r.E_OLD_PRICE], event[r.E_OLD_LEVEL_LOTS])
        if kind == r.TRADE_EXECUTED:
            if not flags & r.FLAG_AUCTION:
                self._set_level(event, 1 - side, event[r.E_PRICE], event[r.E_LEVEL_LOTS])
        elif _tells_its_level(kind, flags):
            self._set_level(event, side, event[r.E_PRICE], event[r.E_LEVEL_LOTS])

    def _set_level(self, event: Event, side: int, price: int, lots: int) -> None:
        key = (event[0] >> 48, side, price)
        self.levels.pop(key, None)
        if lots:
            self.levels[key] = lots

    def _less(self, order_id: int, lots: int) -> None:
        self.leaves[order_id] -= lots
        assert self.leaves[order_id] >= 0, "no order trades more than it has"
        if self.leaves[order_id] == 0:
            del self.leaves[order_id]


def _tells_its_level(kind: int, flags: int) -> bool:
    """Say whether an event tells what is displayed at its price and side."""
    if kind in (r.ORDER_RESTED, r.ORDER_REPLENISHED, r.LEVEL_CHANGED):
        return True
    if kind in (r.ORDER_ACCEPTED, r.ORDER_REPLACED):
        return flags & r.FLAG_RESTING != 0
    leaving = kind in (r.ORDER_CANCELLED, r.ORDER_EXPIRED, r.ORDER_REDUCED)
    return leaving and not flags & r.FLAG_WAITING


def _displayed(market: Market) -> dict[tuple[int, int, int], int]:
    """Return the lots that others see, by instrument, side and price."""
    levels: dict[tuple[int, int, int], int] = {}
    for order in market.orders.values():
        if order.place == BOOK and order.displayed():
            key = (order.instrument_id, order.side, order.price)
            levels[key] = levels.get(key, 0) + order.displayed()
    return levels
