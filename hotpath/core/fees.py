"""Fees and rebates: exact, rounded in the house's favour once per order, not once per trade.

An order owes whole minor units (X_FEE_WHOLE) and millionths of one (X_FEE_PART); value x rate
itself would not fit a word.
"""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import (
    A_TOTAL,
    I_ID,
    O_ID,
    O_OWNER,
    P_ACCOUNT,
    P_INSTRUMENT,
    POSITION_MASK,
    SIDE_MASK,
    X_FEE_PAID,
    X_FEE_PART,
    X_FEE_WHOLE,
    X_RATES,
)
from hotpath.core.state import State
from shared.domain.records import FEE_CHARGED, FEE_RATE_UNIT

MAKER: Final = 0
TAKER: Final = 1
AUCTION_FEE: Final = 2


def charge(state: State, order: i64, value_minor: i64, rate: i64) -> None:
    """Charge one trade: what the order owes in all, rounded up, less what it has paid."""
    row: i64 = state.orders.cold_of(order)
    cold = state.orders.cold
    millionths: i64 = cold[row + X_RATES + rate]
    if millionths == 0:
        return
    part: i64 = cold[row + X_FEE_PART] + value_minor % FEE_RATE_UNIT * millionths
    whole: i64 = cold[row + X_FEE_WHOLE] + value_minor // FEE_RATE_UNIT * millionths
    whole += part // FEE_RATE_UNIT
    part = part % FEE_RATE_UNIT
    cold[row + X_FEE_WHOLE] = whole
    cold[row + X_FEE_PART] = part
    if part > 0:
        whole += 1
    fee: i64 = whole - cold[row + X_FEE_PAID]
    if fee == 0:
        return
    cold[row + X_FEE_PAID] = whole
    _pay(state, order, fee)


def _pay(state: State, order: i64, fee: i64) -> None:
    owner: i64 = state.orders.words[order + O_OWNER]
    position: i64 = owner & POSITION_MASK
    account: i64 = state.positions.words[position + P_ACCOUNT]
    instrument: i64 = state.positions.words[position + P_INSTRUMENT]
    accounts = state.accounts.words
    accounts[account + A_TOTAL] = accounts[account + A_TOTAL] - fee
    state.accounts.fees_minor += fee
    order_id: i64 = state.orders.words[order + O_ID]
    header: i64 = FEE_CHARGED | (owner & SIDE_MASK) << 8
    header = header | state.instruments.words[instrument + I_ID] << 48
    total: i64 = accounts[account + A_TOTAL]
    state.events.emit(header, order_id, order_id >> 32, fee, total, 0, 0, 0)


def still_to_pay(cold: vec[i64], row: i64, value_minor: i64) -> i64:
    """Return the most that the order of a cold row can still owe if it trades the value."""
    rates: i64 = row + X_RATES
    most: i64 = max(0, max(cold[rates], max(cold[rates + 1], cold[rates + 2])))
    part: i64 = cold[row + X_FEE_PART] + value_minor % FEE_RATE_UNIT * most
    whole: i64 = cold[row + X_FEE_WHOLE] + value_minor // FEE_RATE_UNIT * most
    whole += part // FEE_RATE_UNIT
    if part % FEE_RATE_UNIT > 0:
        whole += 1
    return max(0, whole - cold[row + X_FEE_PAID])
