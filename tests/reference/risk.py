"""What accounts have promised and may still promise; all checks of a new or replaced order."""

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import fees, prices
from tests.reference.model import Account, Instrument, Market, Order, Throttle, refuse_if

Refusals = list[tuple[bool, Code]]


def value(market: Market, order: Order) -> int:
    return order.limit * order.leaves * market.instrument_of(order).tick_value


def reservation(market: Market, order: Order) -> int:
    """Return what an open order reserves: its margin at the worst price, and the highest fee."""
    if order.side == r.SELL and not order.has(r.ORDER_SHORT):
        return 0  # the lots are reserved, and the fee comes out of the proceeds
    worst = value(market, order)
    return -(-worst * 100 // order.leverage) + fees.still_to_pay(order, worst)


def open_orders(market: Market, account_id: int) -> list[Order]:
    return [order for order in market.orders.values() if order.account_id == account_id]


def open_lots(market: Market, account_id: int, instrument_id: int, side: int) -> int:
    return sum(
        order.leaves
        for order in open_orders(market, account_id)
        if (order.instrument_id, order.side) == (instrument_id, side)
    )


def reserved(market: Market, account_id: int) -> int:
    return sum(reservation(market, order) for order in open_orders(market, account_id))


def held(market: Market, account_id: int) -> int:
    return sum(hold.amount for hold in market.holds.values() if hold.account_id == account_id)


def margin_value(market: Market, account: Account) -> int:
    """Return what positions lend (long) and bind (short), at the day's reference prices."""
    total, leverage = 0, account.leverage
    for instrument_id, position in account.positions.items():
        instrument = market.instruments[instrument_id]
        worth = position.total * instrument.reference * instrument.tick_value
        more = leverage - 100 if worth > 0 else leverage + 100
        total += worth * more // leverage  # rounds down: lends less, binds more
    return total


def cash_left(market: Market, account: Account) -> int:
    promised = reserved(market, account.account_id) + held(market, account.account_id)
    return account.total - promised


def available(market: Market, account: Account) -> int:
    return cash_left(market, account) + margin_value(market, account)


def withdrawable(market: Market, account: Account) -> int:
    """Return the settled cash that neither orders, holds nor margin need."""
    unheld = account.settled - held(market, account.account_id)
    return min(unheld, cash_left(market, account), available(market, account))


def killed(market: Market, account: Account) -> bool:
    mine = {(r.KILL_ACCOUNT, account.account_id), (r.KILL_FIRM, 0)}
    if account.group:
        mine.add((r.KILL_GROUP, account.group))
    return bool(mine & market.kills)


def throttles(market: Market, account: Account, session: int) -> list[tuple[Throttle, Code]]:
    found = [(account.throttle, Code.ACCOUNT_THROTTLED)]
    if session in market.session_throttles:
        found.append((market.session_throttles[session], Code.SESSION_THROTTLED))
    return found


def window(market: Market) -> int:
    return market.time_ns // market.settings.throttle_window_ns


def check(
    market: Market,
    account: Account,
    instrument: Instrument,
    order: Order,
    replaced: Order | None,
    others: Refusals,
    given_prices: list[int],
) -> None:
    """Refuse an order for the first reason, in the order of the codes."""
    more_lots = order.leaves - (replaced.leaves if replaced else 0)
    refusals = _state(market, account, instrument, order, more_lots)
    refusals += others
    refusals += _price_and_size(market, instrument, order, given_prices)
    refusals += _limits(market, account, order, replaced, more_lots)
    refusals += [
        (t.full(window(market)), code) for t, code in throttles(market, account, order.session)
    ]
    for wrong, code in sorted(refusals, key=lambda refusal: refusal[1]):
        refuse_if(wrong, code)


def _state(
    market: Market, account: Account, instrument: Instrument, order: Order, more_lots: int
) -> Refusals:
    open_after = open_lots(market, account.account_id, order.instrument_id, order.side) + more_lots
    total = account.position(order.instrument_id).total
    reduces = open_after <= (-total if order.side == r.BUY else total)
    reducing = account.state == r.ACCOUNT_REDUCING
    return [
        (account.state == r.ACCOUNT_HALTED, Code.ACCOUNT_HALTED),
        (reducing and more_lots > 0 and not reduces, Code.ACCOUNT_REDUCING),
        (account.currency != instrument.currency, Code.CURRENCY_MISMATCH),
        (killed(market, account), Code.KILL_SWITCH),
    ]


def _price_and_size(
    market: Market, instrument: Instrument, order: Order, given_prices: list[int]
) -> Refusals:
    worst = value(market, order)
    lots = [order.leaves, order.display_lots, order.minimum]
    collared = order.order_type in (r.LIMIT, r.STOP_LIMIT, r.PEGGED)
    off_tick = any(not prices.on_tick(market, instrument, price) for price in given_prices)
    beyond = collared and prices.beyond_static_collar(instrument, order.limit)
    too_much = worst + fees.still_to_pay(order, worst) > r.MAX_AMOUNT_MINOR
    return [
        (order.leaves > instrument.max_order_lots, Code.QUANTITY_TOO_LARGE),
        (too_much, Code.VALUE_OVERFLOW),
        (order.limit == 0, Code.NO_REFERENCE_PRICE),
        (off_tick, Code.OFF_TICK),
        (any(n % instrument.lot_size for n in lots), Code.OFF_LOT),
        (worst < instrument.min_notional, Code.BELOW_MINIMUM_VALUE),
        (beyond, Code.PRICE_COLLAR),
    ]


def _limits(
    market: Market, account: Account, order: Order, replaced: Order | None, more_lots: int
) -> Refusals:
    account_id, instrument_id = account.account_id, order.instrument_id
    order_lots, order_value, position, most_orders = account.limits
    buys, worst = order.side == r.BUY, value(market, order)
    total = account.position(instrument_id).total
    open_after = open_lots(market, account_id, instrument_id, order.side) + more_lots
    exposure = open_after + (total if buys else -total)
    more_reserved = reservation(market, order)
    more_reserved -= reservation(market, replaced) if replaced else 0
    lacks_funds = 0 < more_reserved > available(market, account)
    lacks_lots = not buys and more_lots > 0 and open_after > total
    short, cash_account = order.has(r.ORDER_SHORT), account.leverage == 100
    stays = replaced is None and order.time_in_force not in (r.IOC, r.FOK)
    count = len(open_orders(market, account_id))
    return [
        (order.leaves > order_lots, Code.ORDER_SIZE_LIMIT),
        (worst > order_value, Code.ORDER_VALUE_LIMIT),
        (more_lots > 0 and exposure > position, Code.POSITION_LIMIT),
        (stays and count >= most_orders, Code.OPEN_ORDER_LIMIT),
        (lacks_funds and cash_account, Code.INSUFFICIENT_FUNDS),
        (lacks_lots and not short, Code.INSUFFICIENT_POSITION),
        (short and cash_account, Code.SHORT_NOT_ALLOWED),
        (short and order.locate < order.leaves, Code.LOCATE_TOO_SMALL),
        (lacks_funds and not cash_account, Code.LEVERAGE_LIMIT),
    ]
