"""The auction: its price, by criteria in a configurable order, and the trades that it makes."""

from dataclasses import dataclass

from shared.domain import records as r
from shared.domain.reject_codes import ExpiryReason
from tests.reference import book, leaving, matching, sessions
from tests.reference.model import AUCTION, BOOK, Instrument, Market, Order

OPENING = (r.SESSION_PRE_OPEN, r.SESSION_OPENING_UNCROSS)


@dataclass(frozen=True)
class Outcome:
    """What an uncross at a price would do; a positive surplus is unfilled buying."""

    price: int
    lots: int
    surplus: int


def taking_part(market: Market, instrument: Instrument, side: int) -> list[Order]:
    """Return the orders of the auction: the book's and those that wait for it, best first."""
    time = 0
    if instrument.session in OPENING:
        time = r.AT_OPEN
    elif instrument.session == r.SESSION_CLOSING_AUCTION:
        time = r.AT_CLOSE
    orders = [
        order
        for order in market.orders.values()
        if (order.instrument_id, order.side) == (instrument.instrument_id, side)
        and (order.place == BOOK or (order.place == AUCTION and order.time_in_force == time))
    ]
    sign = -1 if side == r.BUY else 1
    return sorted(orders, key=lambda o: (sign * _limit(o), o.priority_class(), o.priority))


def _limit(order: Order) -> int:
    return order.price if order.place == BOOK else order.limit


def find_price(market: Market, instrument: Instrument) -> Outcome | None:
    """Return the auction's outcome, None if nothing would trade."""
    buys = taking_part(market, instrument, r.BUY)
    sells = taking_part(market, instrument, r.SELL)
    limits = {_limit(order) for order in (*buys, *sells)}
    if limits and min(limits) <= instrument.last <= max(limits):
        limits.add(instrument.last)
    candidates = []
    for price in sorted(limits):
        wanted = sum(order.leaves for order in buys if _limit(order) >= price)
        offered = sum(order.leaves for order in sells if _limit(order) <= price)
        candidates.append(Outcome(price, min(wanted, offered), wanted - offered))
    candidates = [candidate for candidate in candidates if candidate.lots > 0]
    for shift in range(0, 16, 4):
        criterion = instrument.uncross_order >> shift & 0xF
        candidates = _narrow(candidates, criterion, instrument.last)
    return candidates[-1] if candidates else None  # the highest of equals


def _narrow(candidates: list[Outcome], criterion: int, reference: int) -> list[Outcome]:
    """Keep the outcomes that are best by one criterion."""
    if not candidates:
        return []
    if criterion == r.UNCROSS_VOLUME:
        most = max(candidate.lots for candidate in candidates)
        return [candidate for candidate in candidates if candidate.lots == most]
    if criterion == r.UNCROSS_SURPLUS:
        least = min(abs(candidate.surplus) for candidate in candidates)
        return [candidate for candidate in candidates if abs(candidate.surplus) == least]
    if criterion == r.UNCROSS_PRESSURE:
        if all(candidate.surplus > 0 for candidate in candidates):
            return candidates[-1:]
        if all(candidate.surplus < 0 for candidate in candidates):
            return candidates[:1]
        return candidates
    nearest = min(abs(candidate.price - reference) for candidate in candidates)
    return [c for c in candidates if abs(c.price - reference) == nearest]


def publish(market: Market, instrument: Instrument, kind: int, outcome: Outcome | None) -> None:
    words = [outcome.price, outcome.lots, outcome.surplus] if outcome else [0, 0, 0]
    market.emit(kind, 0, 0, words, instrument=instrument.instrument_id)


def uncross(market: Market, instrument: Instrument, following: int) -> None:
    """Trade the whole auction at one price, expire what was for it alone, open what follows."""
    outcome = find_price(market, instrument)
    buys = taking_part(market, instrument, r.BUY)
    sells = taking_part(market, instrument, r.SELL)
    only_for_this = [o for o in (*buys, *sells) if o.place == AUCTION]
    publish(market, instrument, r.UNCROSSED, outcome)
    if outcome:
        _trade_at(market, outcome.price, buys, sells)
    for order in only_for_this:
        if order.order_id in market.orders:
            leaving.cancel(market, order, ExpiryReason.AUCTION_OVER, expires=True)
    sessions.change(market, instrument, following)


def _trade_at(market: Market, price: int, buys: list[Order], sells: list[Order]) -> None:
    """Trade at one price. Links act afterwards: in between they would leave a crossed book."""
    buys = [order for order in buys if _limit(order) >= price]
    sells = [order for order in sells if _limit(order) <= price]
    traded: list[Order] = []
    while buys and sells:
        buy, sell = buys[0], sells[0]
        lots = min(buy.leaves, sell.leaves)
        matching.trade(market, buy, sell, price, lots, auction=True)
        traded += [buy, sell]
        buys = buys if buy.leaves else buys[1:]
        sells = sells if sell.leaves else sells[1:]
    for order in traded:
        leaving.after_trade(market, order)
    for order in list(market.orders.values()):
        refresh = order.place == BOOK and order.has(r.ORDER_ICEBERG) and order.shown == 0
        if refresh:
            book.replenish(market, order)
    _report_levels(market, traded)


def _report_levels(market: Market, traded: list[Order]) -> None:
    """Tell what is displayed now where orders traded: trades of an auction do not say it."""
    touched = {(order.side, order.price) for order in traded if order.price}
    buys = sorted((level for level in touched if level[0] == r.BUY), reverse=True)
    offers = sorted(level for level in touched if level[0] == r.SELL)
    number = traded[0].instrument_id
    for side, price in (*buys, *offers):
        resting = book.side_of_book(market, number, side)
        lots = sum(order.displayed() for order in resting if order.price == price)
        words = [price, 0, 0, 0, lots]
        market.emit(r.LEVEL_CHANGED, 0, 0, words, side=side, instrument=number)
