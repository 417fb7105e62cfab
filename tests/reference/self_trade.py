"""Self-trade prevention: what happens when an aggressor meets an order of its own group."""

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason as Reason
from tests.reference import book, leaving
from tests.reference.model import INCOMING, Market, Order


def group(market: Market, order: Order) -> tuple[str, int]:
    """Return whose order it is: an account without a group stands for itself."""
    account = market.accounts[order.account_id]
    return ("group", account.group) if account.group else ("account", account.account_id)


def prevent(market: Market, aggressor: Order, resting: Order) -> bool:
    """Act on a self-trade in the way the aggressor asks for; return whether there was one."""
    mode = aggressor.self_trade
    if mode == r.SELF_TRADE_ALLOWED or group(market, aggressor) != group(market, resting):
        return False
    if mode == r.SELF_TRADE_DECREMENT:
        lots = min(aggressor.leaves, resting.leaves)
        for order in (resting, aggressor):
            _reduce(market, order, lots)
        return True
    if mode in (r.SELF_TRADE_CANCEL_OLDEST, r.SELF_TRADE_CANCEL_BOTH):
        leaving.cancel(market, resting, Reason.SELF_TRADE)
    if mode in (r.SELF_TRADE_CANCEL_NEWEST, r.SELF_TRADE_CANCEL_BOTH):
        leaving.cancel(market, aggressor, Reason.SELF_TRADE)
    return True


def _reduce(market: Market, order: Order, lots: int) -> None:
    """Take lots off an order that keeps its place; without any left it is cancelled."""
    if order.order_id not in market.orders:
        return  # its linked order has just left, and it with that
    if order.leaves == lots:
        leaving.cancel(market, order, Reason.SELF_TRADE)
        return
    order.leaves -= lots
    order.shown = min(order.shown, order.leaves)
    incoming = order.place == INCOMING
    price = order.limit if incoming else order.price
    level = 0 if incoming else book.level_lots(market, order)
    flags = r.FLAG_WAITING if incoming else 0
    words = [price, lots, order.leaves, 0, level]
    market.report(r.ORDER_REDUCED, order, words, flags=flags)
