"""How orders leave, and what their leaving or trading does to the order they are linked to."""

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason as Reason
from tests.reference import book
from tests.reference.model import BOOK, LINKED, Market, Order


def cancel(market: Market, order: Order, reason: int, expires: bool = False) -> None:
    """Take an open order off, and the order that waits for it."""
    del market.orders[order.order_id]
    stood = order.place == BOOK
    level = book.level_lots(market, order) if stood else 0
    price = order.price if stood else order.limit
    kind = r.ORDER_EXPIRED if expires else r.ORDER_CANCELLED
    flags = 0 if stood else r.FLAG_WAITING
    market.report(kind, order, [price, order.leaves, 0, 0, level], code=reason, flags=flags)
    waiting = _waiting_for(market, order)
    _unlink(market, order)
    if waiting:
        cancel(market, waiting, Reason.LINKED)


def after_trade(market: Market, order: Order) -> None:
    """Close a filled order, wake the order that waited for it, cancel the one it excludes."""
    if order.order_id not in market.orders:
        return
    other = _excluded_by(market, order)
    if other and other.leaves:
        cancel(market, other, Reason.LINKED)
    if order.leaves == 0:
        del market.orders[order.order_id]
        waiting = _waiting_for(market, order)
        _unlink(market, order)
        if waiting:
            waiting.ready = True


def linked(market: Market, order_id: int) -> bool:
    """Say whether an order has an open link, of its own or from another order."""
    return any(o.link and order_id in (o.order_id, o.linked_id) for o in market.orders.values())


def _unlink(market: Market, order: Order) -> None:
    """End the link of an order that has left, at its other end."""
    for other in market.orders.values():
        if order.order_id == other.linked_id:
            other.link = other.linked_id = 0


def _excluded_by(market: Market, order: Order) -> Order | None:
    for other in market.orders.values():
        for one, two in ((order, other), (other, order)):
            if one.link == r.LINK_CANCELS_OTHER and one.linked_id == two.order_id:
                return other
    return None


def _waiting_for(market: Market, order: Order) -> Order | None:
    for other in market.orders.values():
        if other.linked_id == order.order_id and other.place == LINKED and not other.ready:
            return other
    return None
