"""The order book: who is next, who rests where, and iceberg replenishment."""

from shared.domain import records as r
from tests.reference import prices
from tests.reference.model import BOOK, Market, Order


def side_of_book(market: Market, instrument_id: int, side: int) -> list[Order]:
    """Return the resting orders, best first: price, then class, then age."""
    sign = -1 if side == r.BUY else 1
    resting = [
        order
        for order in market.orders.values()
        if (order.place, order.instrument_id, order.side) == (BOOK, instrument_id, side)
    ]
    return sorted(resting, key=lambda o: (sign * o.price, o.priority_class(), o.priority))


def counterparty(market: Market, order: Order, price: int = 0) -> Order | None:
    """Return the resting order that trades next with this one, at its limit or another price."""
    price = price or order.limit
    opposite = side_of_book(market, order.instrument_id, 1 - order.side)
    if not opposite:
        return None
    best = opposite[0]
    meets = best.price <= price if order.side == r.BUY else best.price >= price
    return best if meets else None


def best_displayed(market: Market, instrument_id: int, side: int) -> int:
    """Return the best price that others see; 0: none."""
    shown = [o for o in side_of_book(market, instrument_id, side) if o.displayed()]
    return shown[0].price if shown else 0


def level_lots(market: Market, order: Order, price: int = 0) -> int:
    """Return the displayed lots at the price of an order, or at another price of its side."""
    price = price or order.price
    resting = side_of_book(market, order.instrument_id, order.side)
    return sum(other.displayed() for other in resting if other.price == price)


def crossed(market: Market, instrument_id: int) -> bool:
    bids, offers = (side_of_book(market, instrument_id, side) for side in (r.BUY, r.SELL))
    return bool(bids and offers) and bids[0].price >= offers[0].price


def rest(market: Market, order: Order, price: int = 0) -> None:
    """Put an order behind all of its price and class."""
    instrument = market.instrument_of(order)
    order.price = prices.within_band(market, instrument, order.side, price or order.limit)
    order.place = BOOK
    order.priority = market.arrive()
    if order.has(r.ORDER_ICEBERG):
        order.shown = min(order.display_lots, order.leaves)


def tradable(order: Order) -> int:
    """Return the lots that trade before the next order of the price has its turn."""
    return order.shown if order.has(r.ORDER_ICEBERG) else order.leaves


def take(order: Order, lots: int) -> None:
    """Take traded lots off an order, an iceberg's from what it displays."""
    order.leaves -= lots
    order.shown = max(0, order.shown - lots)


def replenish(market: Market, order: Order) -> None:
    """Show the next part of an iceberg whose displayed part is gone, behind all of its price."""
    if not order.has(r.ORDER_ICEBERG) or order.shown or not order.leaves:
        return
    order.shown = min(order.display_lots, order.leaves)
    order.priority = market.arrive()
    words = [order.price, order.shown, order.leaves, 0, level_lots(market, order)]
    market.report(r.ORDER_REPLENISHED, order, words)
