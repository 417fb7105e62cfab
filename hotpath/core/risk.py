"""Pre-trade risk: may this order be taken? All checks, in the order of their codes.

`check_plain` is the short way, for a plain order of an account and an instrument without anything
special; `check` is for any other.
"""

from typing import final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import prices, promises, throttles
from hotpath.core.accounts import CASH_LEVERAGE
from hotpath.core.codes import (
    ACCEPTED,
    ACCOUNT_HALTED,
    ACCOUNT_REDUCING,
    BELOW_MINIMUM_VALUE,
    CURRENCY_MISMATCH,
    INSUFFICIENT_FUNDS,
    INSUFFICIENT_POSITION,
    KILL_SWITCH,
    LEVERAGE_LIMIT,
    LOCATE_TOO_SMALL,
    NO_REFERENCE_PRICE,
    OFF_LOT,
    OFF_TICK,
    OPEN_ORDER_LIMIT,
    ORDER_SIZE_LIMIT,
    ORDER_VALUE_LIMIT,
    POSITION_LIMIT,
    PRICE_COLLAR,
    QUANTITY_TOO_LARGE,
    REPLACE_NOT_POSSIBLE,
    SHORT_NOT_ALLOWED,
    UNKNOWN_LINK,
    VALUE_OVERFLOW,
    WOULD_TRADE,
)
from hotpath.core.fees import still_to_pay
from hotpath.core.layout import (
    A_CURRENCY,
    A_HELD,
    A_LEVERAGE,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_STATE,
    A_TOTAL,
    A_WATCH,
    I_CURRENCY,
    I_LOT_SIZE,
    I_MAX_ORDER_LOTS,
    I_MIN_NOTIONAL,
    I_SAFE_VALUE,
    I_TICK_VALUE,
    P_OPEN_LOTS,
    P_TOTAL,
    WATCH_KILLED,
    X_DISPLAY,
    X_FLAGS,
    X_LOCATE,
    X_MINIMUM,
    X_SESSION,
    X_TYPE,
)
from hotpath.core.state import State
from shared.domain.records import ACCOUNT_HALTED as STATE_HALTED
from shared.domain.records import (
    ACCOUNT_REDUCING as STATE_REDUCING,
)
from shared.domain.records import (
    BUY,
    LIMIT,
    MAX_AMOUNT_MINOR,
    ORDER_SHORT,
    PEGGED,
    SELL,
    STOP_LIMIT,
)


def value_fits(safe_value: i64, price: i64, lots: i64) -> bool:
    """Say whether price x lots x tick value stays below 2^62; see I_SAFE_VALUE."""
    if price >> 31 == 0:
        return price * lots <= safe_value
    return price <= safe_value // lots


def check_plain(
    accounts: vec[i64],
    positions: vec[i64],
    instruments: vec[i64],
    account: i64,
    instrument: i64,
    position: i64,
    side: i64,
    price: i64,
    lots: i64,
    open_price: i64,
    open_lots: i64,
    stays: bool,
) -> i64:
    """Return the first code that forbids a plain order, or ACCEPTED.

    `price` is the worst price it may trade at; 0 is a market order without a reference price.
    A replaced order is checked for what it adds to `open_lots` at `open_price` (0, 0: none).
    """
    if accounts[account + A_CURRENCY] != instruments[instrument + I_CURRENCY]:
        return CURRENCY_MISMATCH
    if lots > instruments[instrument + I_MAX_ORDER_LOTS]:
        return QUANTITY_TOO_LARGE
    if not value_fits(instruments[instrument + I_SAFE_VALUE], price, lots):
        return VALUE_OVERFLOW
    if price == 0:
        return NO_REFERENCE_PRICE
    tick_value: i64 = instruments[instrument + I_TICK_VALUE]
    value: i64 = price * lots * tick_value
    more_lots: i64 = lots - open_lots
    if lots > accounts[account + A_MAX_ORDER_LOTS]:
        return ORDER_SIZE_LIMIT
    if value > accounts[account + A_MAX_ORDER_VALUE]:
        return ORDER_VALUE_LIMIT
    total: i64 = positions[position + P_TOTAL]
    after: i64 = positions[position + P_OPEN_LOTS + side] + more_lots
    after += total if side == BUY else -total
    if more_lots > 0 and after > accounts[account + A_MAX_POSITION]:
        return POSITION_LIMIT
    if stays and accounts[account + A_OPEN_ORDERS] >= accounts[account + A_MAX_OPEN_ORDERS]:
        return OPEN_ORDER_LIMIT
    if side == SELL:
        if after > 0 and more_lots > 0:
            return INSUFFICIENT_POSITION
        return ACCEPTED
    more_value: i64 = value - open_price * open_lots * tick_value
    promised: i64 = accounts[account + A_RESERVED] + accounts[account + A_HELD]
    if more_value > accounts[account + A_TOTAL] - promised and more_value > 0:
        return INSUFFICIENT_FUNDS
    return ACCEPTED


def check_terms(instruments: vec[i64], instrument: i64, price: i64, lots: i64) -> i64:
    """Return what the instrument's own terms have against a plain order: all without risk."""
    if lots > instruments[instrument + I_MAX_ORDER_LOTS]:
        return QUANTITY_TOO_LARGE
    if not value_fits(instruments[instrument + I_SAFE_VALUE], price, lots):
        return VALUE_OVERFLOW
    if price == 0:
        return NO_REFERENCE_PRICE
    return ACCEPTED


@final
class Draft:
    """A new or replaced order as it is judged; its other words stand in a cold row."""

    def __init__(self) -> None:
        self.row: i64 = 0
        self.account: i64 = 0
        self.instrument: i64 = 0
        self.position: i64 = 0
        self.side: i64 = 0
        self.lots: i64 = 0
        self.limit: i64 = 0
        self.open_lots: i64 = 0  # of the order that it replaces
        self.open_reserved: i64 = 0  # by that order
        self.replaces: bool = False
        self.stays: bool = False  # it counts as an open order
        self.prices: vec[i64] = vec[i64]([0, 0])  # as they were sent
        self.not_now: i64 = ACCEPTED  # what the session has against it
        self.wrong_link: bool = False
        self.cannot_be_replaced: bool = False
        self.would_trade: bool = False  # and must not


def check(state: State, draft: Draft) -> i64:
    """Return the first code that forbids an order, or ACCEPTED."""
    code: i64 = _check_state(state, draft)
    if code == ACCEPTED:
        code = _check_price_and_size(state, draft)
    if code == ACCEPTED and state.risk:
        code = _check_limits(state, draft)
    if code == ACCEPTED:
        session: i64 = state.orders.cold[draft.row + X_SESSION]
        code = throttles.check(state, draft.account, session)
    return code


def _check_state(state: State, draft: Draft) -> i64:
    accounts = state.accounts.words
    account: i64 = draft.account
    code: i64 = ACCEPTED
    if accounts[account + A_STATE] == STATE_HALTED:
        return ACCOUNT_HALTED
    if accounts[account + A_STATE] == STATE_REDUCING and not _reduces(state, draft):
        return ACCOUNT_REDUCING
    if draft.not_now != ACCEPTED and draft.not_now < CURRENCY_MISMATCH:
        return draft.not_now
    if accounts[account + A_CURRENCY] != state.instruments.words[draft.instrument + I_CURRENCY]:
        return CURRENCY_MISMATCH
    if accounts[account + A_WATCH] & WATCH_KILLED != 0:
        return KILL_SWITCH
    if draft.not_now != ACCEPTED:
        return draft.not_now
    if draft.wrong_link:
        code = UNKNOWN_LINK
    elif draft.cannot_be_replaced:
        code = REPLACE_NOT_POSSIBLE
    return code


def _reduces(state: State, draft: Draft) -> bool:
    """Say whether the orders of the side stay within what the position leaves to reduce."""
    more_lots: i64 = draft.lots - draft.open_lots
    if more_lots <= 0:
        return True
    positions = state.positions.words
    total: i64 = positions[draft.position + P_TOTAL]
    after: i64 = positions[draft.position + P_OPEN_LOTS + draft.side] + more_lots
    return after <= (-total if draft.side == BUY else total)


def _check_price_and_size(state: State, draft: Draft) -> i64:
    instruments = state.instruments.words
    instrument: i64 = draft.instrument
    cold = state.orders.cold
    row: i64 = draft.row
    lots: i64 = draft.lots
    if lots > instruments[instrument + I_MAX_ORDER_LOTS]:
        return QUANTITY_TOO_LARGE
    if not value_fits(instruments[instrument + I_SAFE_VALUE], draft.limit, lots):
        return VALUE_OVERFLOW
    worst: i64 = draft.limit * lots * instruments[instrument + I_TICK_VALUE]
    if still_to_pay(cold, row, worst) > MAX_AMOUNT_MINOR - worst:
        return VALUE_OVERFLOW
    if draft.limit == 0:
        return NO_REFERENCE_PRICE
    for price in draft.prices:
        if price != 0 and not prices.on_tick(state, instrument, price):
            return OFF_TICK
    lot_size: i64 = instruments[instrument + I_LOT_SIZE]
    if lot_size != 1:
        parts: i64 = cold[row + X_DISPLAY] % lot_size + cold[row + X_MINIMUM] % lot_size
        if lots % lot_size + parts != 0:
            return OFF_LOT
    if worst < instruments[instrument + I_MIN_NOTIONAL]:
        return BELOW_MINIMUM_VALUE
    kind: i64 = cold[row + X_TYPE]
    collared: bool = kind in (LIMIT, STOP_LIMIT, PEGGED)
    if collared and prices.beyond_static_collar(state, instrument, draft.limit):
        return PRICE_COLLAR
    return WOULD_TRADE if draft.would_trade else ACCEPTED


def _check_limits(state: State, draft: Draft) -> i64:
    accounts = state.accounts.words
    positions = state.positions.words
    cold = state.orders.cold
    account: i64 = draft.account
    lots: i64 = draft.lots
    side: i64 = draft.side
    worst: i64 = draft.limit * lots * state.instruments.words[draft.instrument + I_TICK_VALUE]
    if lots > accounts[account + A_MAX_ORDER_LOTS]:
        return ORDER_SIZE_LIMIT
    if worst > accounts[account + A_MAX_ORDER_VALUE]:
        return ORDER_VALUE_LIMIT
    more_lots: i64 = lots - draft.open_lots
    total: i64 = positions[draft.position + P_TOTAL]
    after: i64 = positions[draft.position + P_OPEN_LOTS + side] + more_lots
    exposure: i64 = after + (total if side == BUY else -total)
    if more_lots > 0 and exposure > accounts[account + A_MAX_POSITION]:
        return POSITION_LIMIT
    if draft.stays and accounts[account + A_OPEN_ORDERS] >= accounts[account + A_MAX_OPEN_ORDERS]:
        return OPEN_ORDER_LIMIT
    more: i64 = promises.reservation(cold, draft.row, side, worst) - draft.open_reserved
    lacks_funds: bool = not promises.can_reserve(state, account, more)
    is_cash_account: bool = accounts[account + A_LEVERAGE] == CASH_LEVERAGE
    is_short: bool = cold[draft.row + X_FLAGS] & ORDER_SHORT != 0
    if lacks_funds and is_cash_account:
        return INSUFFICIENT_FUNDS
    if side == SELL and more_lots > 0 and after > total and not is_short:
        return INSUFFICIENT_POSITION
    if is_short and is_cash_account:
        return SHORT_NOT_ALLOWED
    if is_short and cold[draft.row + X_LOCATE] < lots:
        return LOCATE_TOO_SMALL
    return LEVERAGE_LIMIT if lacks_funds else ACCEPTED
