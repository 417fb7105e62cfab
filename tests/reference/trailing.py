"""Trailing stops: they see every trade on its own, since each may move them."""

from shared.domain import records as r
from tests.reference.model import STOPS, Instrument, Market, Order


def follow(market: Market, instrument: Instrument, price: int) -> None:
    """Let a trade trigger the instrument's trailing stops, or pull them along."""
    for order in market.orders.values():
        waits = order.order_type == r.TRAILING_STOP and order.place == STOPS
        if not waits or order.instrument_id != instrument.instrument_id or order.ready:
            continue
        if reached(order, price):
            order.ready = True
        elif order.side == r.BUY:
            order.stop_price = min(order.stop_price, price + order.offset)
        else:
            order.stop_price = max(order.stop_price, price - order.offset)


def reached(order: Order, price: int) -> bool:
    """Say whether a trade at the price triggers the stop."""
    return price >= order.stop_price if order.side == r.BUY else price <= order.stop_price
