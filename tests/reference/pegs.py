"""Pegged orders: the price they should have, and how they come to have it."""

from shared.domain import records as r
from tests.reference import book, leaving, matching, prices
from tests.reference.model import BOOK, INCOMING, UNPEGGED, Instrument, Market, Order


def target(market: Market, order: Order) -> int:
    """Return the price that a pegged order should have now; 0: there is nothing to follow."""
    instrument = market.instrument_of(order)
    number, buys = instrument.instrument_id, order.side == r.BUY
    own, other = (book.best_displayed(market, number, s) for s in (order.side, 1 - order.side))
    if instrument.session != r.SESSION_CONTINUOUS:
        return 0
    if order.peg == r.PEG_MIDPOINT:
        if not (own and other):
            return 0
        base = (own + other) // 2 if buys else -(-(own + other) // 2)
    else:
        base = own if order.peg == r.PEG_PRIMARY else other
    if base == 0:
        return 0
    price = base - order.offset if buys else base + order.offset
    price = min(price, order.limit) if buys else max(price, order.limit)
    if price <= 0 or price > r.MAX_PRICE_TICKS:
        return 0
    price = prices.to_tick(market, instrument, price, order.side)
    return prices.within_band(market, instrument, order.side, price)


def stale(market: Market, instrument: Instrument) -> list[Order]:
    """Return the pegged orders that stand at another price than they should, oldest first."""
    pegged = [
        order
        for order in market.orders.values()
        if order.order_type == r.PEGGED
        and order.instrument_id == instrument.instrument_id
        and order.place in (BOOK, UNPEGGED)
        and target(market, order) != order.price
    ]
    return sorted(pegged, key=lambda order: order.priority)


def follow(market: Market, order: Order) -> None:
    """Bring a pegged order to its price; there it trades if it meets somebody."""
    old, new = order.price, target(market, order)
    order.place, order.price = INCOMING, 0
    if new == 0:
        order.place = UNPEGGED
    elif not _meets(market, order, new):
        book.rest(market, order, new)
    words = [new, order.leaves, book.level_lots(market, order, old) if old else 0, old]
    level = book.level_lots(market, order) if order.place == BOOK else 0
    market.report(r.ORDER_REPRICED, order, [*words, level])
    if order.place == INCOMING:
        _trade(market, order, new)


def _meets(market: Market, order: Order, price: int) -> bool:
    return book.counterparty(market, order, price) is not None


def _trade(market: Market, order: Order, price: int) -> None:
    """Trade at the pegged price or better; what is left rests there."""
    worst, order.limit = order.limit, price
    stopped = matching.match(market, order)
    order.limit = worst
    if order.order_id not in market.orders:
        return
    if stopped:
        leaving.cancel(market, order, stopped)
        return
    if market.instrument_of(order).session != r.SESSION_CONTINUOUS:
        order.place = UNPEGGED
        return
    book.rest(market, order, price)
    words = [order.price, order.leaves, order.leaves, 0, book.level_lots(market, order)]
    market.report(r.ORDER_RESTED, order, words)


def park(market: Market, instrument: Instrument) -> None:
    """Take all pegged orders out of the book: continuous trading is over for now."""
    for order in stale(market, instrument):
        if order.place == BOOK:
            follow(market, order)
