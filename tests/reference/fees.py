"""Fees and rebates: exact, rounded in the house's favour once per order, not once per trade."""

from shared.domain import records as r
from tests.reference.model import Market, Order

MAKER, TAKER, AUCTION_FEE = 0, 1, 2


def charge(market: Market, order: Order, value_minor: int, rate: int) -> None:
    """Charge one trade: what the order owes in all, rounded up, less what it has paid."""
    order.fee_units += value_minor * order.rates[rate]
    fee = _round_up(order.fee_units) - order.fee_paid
    order.fee_paid += fee
    account = market.accounts[order.account_id]
    account.total -= fee
    market.fees_collected += fee
    if fee:
        market.report(r.FEE_CHARGED, order, [fee, account.total])


def still_to_pay(order: Order, value_minor: int) -> int:
    """Return the most that the order can still owe if it trades the value."""
    most = max(0, *order.rates)
    return max(0, _round_up(order.fee_units + value_minor * most) - order.fee_paid)


def _round_up(fee_units: int) -> int:
    return -(-fee_units // r.FEE_RATE_UNIT)
