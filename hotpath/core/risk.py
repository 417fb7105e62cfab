"""Pre-trade risk: may this order be taken, what it reserves, and what a trade moves.

The functions take the tables that they read and write as arguments; `position` names account and
instrument.
"""

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import (
    A_CURRENCY,
    A_HELD,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_STATE,
    A_TOTAL,
)
from hotpath.core.codes import (
    ACCEPTED,
    ACCOUNT_HALTED,
    ACCOUNT_REDUCING,
    CURRENCY_MISMATCH,
    INSTRUMENT_HALTED,
    INSUFFICIENT_FUNDS,
    INSUFFICIENT_POSITION,
    NO_REFERENCE_PRICE,
    OPEN_ORDER_LIMIT,
    ORDER_SIZE_LIMIT,
    ORDER_VALUE_LIMIT,
    POSITION_LIMIT,
    PRICE_OUT_OF_BAND,
    QUANTITY_TOO_LARGE,
    VALUE_OVERFLOW,
)
from hotpath.core.instruments import (
    I_CURRENCY,
    I_MAX_ORDER_LOTS,
    I_MAX_PRICE,
    I_MIN_PRICE,
    I_SAFE_LOTS,
    I_STATE,
    I_TICK_VALUE_MINOR,
)
from hotpath.core.positions import P_ACCOUNT, P_INSTRUMENT, P_OPEN_LOTS, P_TOTAL
from shared.domain.records import (
    ACCOUNT_ACTIVE,
    BUY,
    INSTRUMENT_CONTINUOUS,
    MAX_AMOUNT_MINOR,
    SELL,
)
from shared.domain.records import ACCOUNT_HALTED as STATE_HALTED


def check_order(
    accounts: vec[i64],
    positions: vec[i64],
    instruments: vec[i64],
    position: i64,
    side: i64,
    price: i64,
    lots: i64,
    open_price: i64,
    open_lots: i64,
    may_rest: bool,
) -> i64:
    """Return the first code of RejectCode that forbids an order, or ACCEPTED.

    `price` is the worst price it may trade at; 0 is a market order without a reference price.
    A replaced order is checked for what it adds to `open_lots` at `open_price` (0, 0: none).
    """
    account: i64 = positions[position + P_ACCOUNT]
    instrument: i64 = positions[position + P_INSTRUMENT]
    more_lots: i64 = lots - open_lots
    code: i64 = _check_state(accounts, instruments, account, instrument, side, more_lots)
    if code != ACCEPTED:
        return code
    code = check_terms(instruments, instrument, price, lots)
    if code != ACCEPTED:
        return code
    tick_value: i64 = instruments[instrument + I_TICK_VALUE_MINOR]
    value: i64 = price * lots * tick_value
    if lots > accounts[account + A_MAX_ORDER_LOTS]:
        return ORDER_SIZE_LIMIT
    if value > accounts[account + A_MAX_ORDER_VALUE]:
        return ORDER_VALUE_LIMIT
    total: i64 = positions[position + P_TOTAL]
    after: i64 = positions[position + P_OPEN_LOTS + side] + more_lots
    after += total if side == BUY else -total
    if more_lots > 0 and after > accounts[account + A_MAX_POSITION]:
        return POSITION_LIMIT
    if may_rest and accounts[account + A_OPEN_ORDERS] >= accounts[account + A_MAX_OPEN_ORDERS]:
        return OPEN_ORDER_LIMIT
    if side == SELL:
        if after > 0 and more_lots > 0:
            return INSUFFICIENT_POSITION
        return ACCEPTED
    more_value: i64 = value - open_price * open_lots * tick_value
    promised: i64 = accounts[account + A_RESERVED] + accounts[account + A_HELD]
    free: i64 = accounts[account + A_TOTAL] - promised
    if more_value > free and more_value > 0:
        return INSUFFICIENT_FUNDS
    return ACCEPTED


def _check_state(
    accounts: vec[i64],
    instruments: vec[i64],
    account: i64,
    instrument: i64,
    side: i64,
    more_lots: i64,
) -> i64:
    state: i64 = accounts[account + A_STATE]
    if state != ACCOUNT_ACTIVE:
        if state == STATE_HALTED:
            return ACCOUNT_HALTED
        if side == BUY and more_lots > 0:  # positions are never short: a buy adds to them
            return ACCOUNT_REDUCING
    if instruments[instrument + I_STATE] != INSTRUMENT_CONTINUOUS:
        return INSTRUMENT_HALTED
    if accounts[account + A_CURRENCY] != instruments[instrument + I_CURRENCY]:
        return CURRENCY_MISMATCH
    return ACCEPTED


def check_terms(instruments: vec[i64], instrument: i64, price: i64, lots: i64) -> i64:
    """Return what the instrument's own terms have against price and lots, or ACCEPTED."""
    if price < instruments[instrument + I_MIN_PRICE] and price != 0:
        return PRICE_OUT_OF_BAND
    if price > instruments[instrument + I_MAX_PRICE]:
        return PRICE_OUT_OF_BAND
    if lots > instruments[instrument + I_MAX_ORDER_LOTS]:
        return QUANTITY_TOO_LARGE
    if price == 0:
        return NO_REFERENCE_PRICE
    if lots > instruments[instrument + I_SAFE_LOTS]:
        most: i64 = MAX_AMOUNT_MINOR // (price * instruments[instrument + I_TICK_VALUE_MINOR])
        if lots > most:
            return VALUE_OVERFLOW
    return ACCEPTED


def reserve(
    accounts: vec[i64], positions: vec[i64], position: i64, side: i64, lots: i64, value_minor: i64
) -> None:
    """Promise lots, and for a buy their value, to an order; negative amounts give them back."""
    at: i64 = position + P_OPEN_LOTS + side
    positions[at] = positions[at] + lots
    if side == BUY:
        reserved: i64 = positions[position + P_ACCOUNT] + A_RESERVED
        accounts[reserved] = accounts[reserved] + value_minor


def move(
    accounts: vec[i64],
    positions: vec[i64],
    buyer: i64,
    seller: i64,
    lots: i64,
    value_minor: i64,
    reserved_minor: i64,
) -> None:
    """Move the cash and lots of a trade between two positions, and end the reservations for them.

    The buyer had reserved `reserved_minor` (at its limit) for lots that cost `value_minor`.
    """
    positions[buyer + P_OPEN_LOTS + BUY] = positions[buyer + P_OPEN_LOTS + BUY] - lots
    positions[buyer + P_TOTAL] = positions[buyer + P_TOTAL] + lots
    positions[seller + P_OPEN_LOTS + SELL] = positions[seller + P_OPEN_LOTS + SELL] - lots
    positions[seller + P_TOTAL] = positions[seller + P_TOTAL] - lots
    payer: i64 = positions[buyer + P_ACCOUNT]
    payee: i64 = positions[seller + P_ACCOUNT]
    accounts[payer + A_RESERVED] = accounts[payer + A_RESERVED] - reserved_minor
    accounts[payer + A_TOTAL] = accounts[payer + A_TOTAL] - value_minor
    accounts[payee + A_TOTAL] = accounts[payee + A_TOTAL] + value_minor
