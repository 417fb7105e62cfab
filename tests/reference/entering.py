"""How an accepted order comes to where it belongs: a wait, an auction, a trade, the book."""

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason as Reason
from tests.reference import book, leaving, matching, pegs, trailing
from tests.reference.model import (
    AUCTION,
    INCOMING,
    LINKED,
    STOPS,
    UNPEGGED,
    Market,
    Order,
)

STOP_TYPES = (r.STOP, r.STOP_LIMIT, r.TRAILING_STOP)
AUCTION_TIMES = (r.AT_OPEN, r.AT_CLOSE)


def accept(market: Market, order: Order, sent_price: int) -> None:
    """Answer a new order and let it do what it can do now."""
    market.orders[order.order_id] = order
    waits = _waiting_place(market, order)
    words = [sent_price, order.leaves, order.leaves]
    if waits:
        _wait(market, order, waits)
        market.report(r.ORDER_ACCEPTED, order, words, flags=r.FLAG_WAITING)
    elif _rests_at_once(market, order):
        put_in_book(market, order)
        words = [order.price, order.leaves, order.leaves, 0, book.level_lots(market, order)]
        market.report(r.ORDER_ACCEPTED, order, words, flags=r.FLAG_RESTING)
    else:
        market.report(r.ORDER_ACCEPTED, order, words)
        aggress(market, order)


def put_in_book(market: Market, order: Order) -> None:
    target = pegs.target(market, order) if order.order_type == r.PEGGED else 0
    book.rest(market, order, target)


def _waiting_place(market: Market, order: Order) -> str:
    """Return where a new order waits, or nothing if it need not."""
    if order.link == r.LINK_AFTER_OTHER:
        return LINKED
    if order.order_type in STOP_TYPES:
        return STOPS
    if order.time_in_force in AUCTION_TIMES:
        return AUCTION
    if order.order_type == r.PEGGED and pegs.target(market, order) == 0:
        return UNPEGGED
    return ""


def _wait(market: Market, order: Order, place: str) -> None:
    order.place, order.ready = place, False
    if order.order_type == r.TRAILING_STOP and place == STOPS:
        order.ready = trailing.reached(order, market.instrument_of(order).last)


def _rests_at_once(market: Market, order: Order) -> bool:
    if market.instrument_of(order).in_call():
        return True
    price = pegs.target(market, order) if order.order_type == r.PEGGED else 0
    meets = book.counterparty(market, order, price)
    return order.may_rest() and order.order_type in (r.LIMIT, r.PEGGED) and not meets


def begin(market: Market, order: Order) -> None:
    """Let an order whose wait is over go on as if it came now."""
    if order.place == LINKED:
        order.link = 0  # the other order is filled: this one stands for itself
    waits = _waiting_place(market, order)
    order.place = INCOMING
    if waits:
        _wait(market, order, waits)
    else:
        aggress(market, order)


def aggress(market: Market, order: Order) -> None:
    """Trade, then let what is left rest or go."""
    if order.order_type == r.MARKET_TO_LIMIT and not _take_best_price(market, order):
        leaving.cancel(market, order, Reason.NO_LIQUIDITY)
        return
    if order.order_type == r.PEGGED:
        pegs.follow(market, order)
        return
    if order.time_in_force == r.FOK and matching.would_trade(market, order) < order.leaves:
        leaving.cancel(market, order, Reason.FOK_NOT_FILLED)
        return
    if order.minimum and matching.would_trade(market, order) < order.minimum:
        leaving.cancel(market, order, Reason.MINIMUM_NOT_MET)
        return
    stopped = matching.match(market, order)
    if order.order_id in market.orders:
        _settle_rest(market, order, stopped)


def _take_best_price(market: Market, order: Order) -> bool:
    """Turn a market-to-limit order into a limit order at the best price within its bound."""
    best = book.counterparty(market, order)
    if best:
        order.limit, order.order_type = best.price, r.LIMIT
    return best is not None


def _settle_rest(market: Market, order: Order, stopped: Reason | None) -> None:
    """Let what an aggressor left over rest, or cancel it and say why."""
    if stopped is None and order.may_rest() and order.order_type not in (r.MARKET, r.STOP):
        put_in_book(market, order)
        words = [order.price, order.leaves, order.leaves, 0, book.level_lots(market, order)]
        market.report(r.ORDER_RESTED, order, words)
        return
    without_limit = order.order_type in (r.MARKET, r.STOP, r.TRAILING_STOP)
    usual = Reason.NO_LIQUIDITY if without_limit else Reason.IOC_REMAINDER
    leaving.cancel(market, order, stopped or usual)
