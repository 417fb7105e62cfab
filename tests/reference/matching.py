"""Continuous trading: an aggressor meets the book, order by order, until something stops it."""

import copy

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason as Reason
from shared.domain.reject_codes import PriceLimit
from tests.reference import book, fees, leaving, prices, self_trade, sessions, trailing
from tests.reference.model import Instrument, Market, Order


def match(market: Market, order: Order) -> Reason | None:
    """Trade an aggressor as far as it goes; return why what is left may not rest, if it may not."""
    instrument = market.instrument_of(order)
    for _ in range(market.settings.max_trades):
        if order.order_id not in market.orders:
            return None  # filled, or cancelled by a link or as a self-trade
        resting = book.counterparty(market, order)
        if resting is None:
            return None
        if self_trade.prevent(market, order, resting):
            continue
        forbidden, reason = _price_limit(market, instrument, order, resting.price)
        if forbidden:
            return reason
        lots = min(order.leaves, book.tradable(resting))
        trade(market, order, resting, resting.price, lots)
        if prices.breaks_circuit(instrument, resting.price):
            _report_limit(market, instrument, PriceLimit.CIRCUIT_BREAKER, order, resting.price)
            sessions.change(market, instrument, r.SESSION_HALTED, PriceLimit.CIRCUIT_BREAKER)
            return Reason.HALTED
    gone = order.order_id not in market.orders
    return None if gone or not book.counterparty(market, order) else Reason.TOO_MANY_TRADES


def _price_limit(
    market: Market, instrument: Instrument, order: Order, price: int
) -> tuple[bool, Reason | None]:
    """Say whether a trade at the price is forbidden, and why the aggressor may not rest then."""
    band = prices.beyond_limit_band(instrument, order.side, price)
    if band:
        _report_limit(market, instrument, band, order, price)
        return True, None  # it rests at the band
    if not prices.beyond_dynamic_collar(instrument, order.side, price):
        return False, None
    _report_limit(market, instrument, PriceLimit.DYNAMIC_COLLAR, order, price)
    if instrument.collar_action == r.COLLAR_CANCELS:
        return True, Reason.COLLAR
    auction = r.SESSION_VOLATILITY_AUCTION
    sessions.change(market, instrument, auction, PriceLimit.DYNAMIC_COLLAR)
    joins = order.may_rest() and order.order_type in (r.LIMIT, r.MARKET_TO_LIMIT)
    return True, None if joins else Reason.COLLAR


def _report_limit(
    market: Market, instrument: Instrument, code: PriceLimit, order: Order, price: int
) -> None:
    number = instrument.instrument_id
    market.emit(r.PRICE_LIMIT_HIT, 0, 0, [price], order.side, code, instrument=number)


def trade(
    market: Market, order: Order, resting: Order, price: int, lots: int, auction: bool = False
) -> None:
    """Exchange lots for cash, and do what follows from it for both orders."""
    instrument = market.instrument_of(order)
    for side in (order, resting):
        book.take(side, lots)
    buyer, seller = (order, resting) if order.side == r.BUY else (resting, order)
    cost = price * lots * instrument.tick_value
    exchange(market, buyer.account_id, seller.account_id, instrument, cost, lots)
    same = self_trade.group(market, order) == self_trade.group(market, resting)
    level = book.level_lots(market, resting)
    market.emit(
        r.TRADE_EXECUTED,
        order.order_id,
        resting.account_id << 32 | order.account_id,
        [price, lots, resting.leaves << 32 | order.leaves, resting.order_id, level],
        side=order.side,
        flags=r.FLAG_AUCTION * auction | r.FLAG_SELF_TRADE * same,
        instrument=instrument.instrument_id,
    )
    fees.charge(market, order, cost, fees.AUCTION_FEE if auction else fees.TAKER)
    fees.charge(market, resting, cost, fees.AUCTION_FEE if auction else fees.MAKER)
    note_price(market, instrument, price)
    if auction:
        return  # the rest follows when the whole auction has traded
    book.replenish(market, resting)
    for side in (order, resting):
        leaving.after_trade(market, side)


def exchange(
    market: Market, buyer: int, seller: int, instrument: Instrument, cost: int, lots: int
) -> None:
    market.accounts[buyer].total -= cost
    market.accounts[seller].total += cost
    market.accounts[buyer].position(instrument.instrument_id).total += lots
    market.accounts[seller].position(instrument.instrument_id).total -= lots


def note_price(market: Market, instrument: Instrument, price: int) -> None:
    """Remember the last price for collars and stops, and pull trailing stops along."""
    instrument.last = price
    instrument.high = max(instrument.high, price)
    instrument.low = min(instrument.low, price)
    trailing.follow(market, instrument, price)


def would_trade(market: Market, order: Order) -> int:
    """Return how many lots the order would trade now: it is tried, by all rules, on a copy."""
    trial = copy.deepcopy(market)
    trial.events = []
    match(trial, trial.orders[order.order_id])
    trades = [event for event in trial.events if event[0] & 0xFF == r.TRADE_EXECUTED]
    return sum(event[r.E_QUANTITY] for event in trades)
