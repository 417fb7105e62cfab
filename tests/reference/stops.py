"""Stop orders: which are due, and what a trigger makes of them."""

from shared.domain import records as r
from tests.reference import entering
from tests.reference.model import STOPS, Instrument, Market, Order


def due(market: Market, instrument: Instrument) -> list[Order]:
    """Return the stops that trades have reached: buys from the lowest, then sells from the highest.

    `high` and `low` span the trades since no stop was due, so a price that came and went counts.
    """
    waiting = [
        order
        for order in market.orders.values()
        if (order.place, order.instrument_id) == (STOPS, instrument.instrument_id)
    ]
    reached = [order for order in waiting if _due(instrument, order)]
    buys = [order for order in reached if order.side == r.BUY]
    sells = [order for order in reached if order.side == r.SELL]
    buys.sort(key=lambda order: (order.stop_price, order.priority))
    sells.sort(key=lambda order: (-order.stop_price, order.priority))
    return buys + sells


def _due(instrument: Instrument, order: Order) -> bool:
    if order.order_type == r.TRAILING_STOP:
        return order.ready
    if order.side == r.BUY:
        return order.stop_price <= instrument.high
    return order.stop_price >= instrument.low > 0


def forget_extremes(instrument: Instrument) -> None:
    """Begin a new span of prices; to be called when no stop is due."""
    instrument.high = instrument.low = instrument.last


def trigger(market: Market, order: Order) -> None:
    """Make a stop the order that it stands for, and let it trade."""
    limited = order.order_type == r.STOP_LIMIT
    order.order_type = r.LIMIT if limited else r.MARKET
    market.report(r.ORDER_TRIGGERED, order, [order.limit, order.leaves, order.leaves])
    entering.begin(market, order)
