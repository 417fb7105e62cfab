"""What open orders promise of cash and lots, and what an account may still promise."""

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import CASH_LEVERAGE
from hotpath.core.fees import still_to_pay
from hotpath.core.layout import (
    A_HELD,
    A_LEVERAGE,
    A_RESERVED,
    A_SETTLED,
    A_TOTAL,
    A_WATCH,
    I_REFERENCE,
    I_TICK_VALUE,
    INSTRUMENT_SHIFT,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    P_ACCOUNT,
    P_INSTRUMENT,
    P_OPEN_LOTS,
    P_TOTAL,
    POSITION_MASK,
    SIDE_MASK,
    WATCH_MARGIN,
    X_FLAGS,
    X_LEVERAGE,
    X_LIMIT,
    X_RESERVED,
)
from hotpath.core.state import State
from shared.domain.records import BUY, ORDER_SHORT, SELL


def margin_of(value_minor: i64, leverage: i64) -> i64:
    """Return value x 100 / leverage, rounded up; value x 100 itself might not fit a word."""
    if leverage == CASH_LEVERAGE:
        return value_minor
    rest: i64 = value_minor % leverage * CASH_LEVERAGE
    return value_minor // leverage * CASH_LEVERAGE + (rest + leverage - 1) // leverage


def reservation(cold: vec[i64], row: i64, side: i64, value_minor: i64) -> i64:
    """Return what an order with a cold row reserves: margin at its worst, and the highest fee."""
    if side == SELL and cold[row + X_FLAGS] & ORDER_SHORT == 0:
        return 0  # the lots are reserved, and the fee comes out of the proceeds
    margin: i64 = margin_of(value_minor, cold[row + X_LEVERAGE])
    return margin + still_to_pay(cold, row, value_minor)


def value_of(state: State, order: i64) -> i64:
    """Return the value of an order's open lots at its limit."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    limit: i64 = orders.words[order + O_PRICE] if row == 0 else orders.cold[row + X_LIMIT]
    position: i64 = orders.words[order + O_OWNER] & POSITION_MASK
    instrument: i64 = state.positions.words[position + P_INSTRUMENT]
    tick_value: i64 = state.instruments.words[instrument + I_TICK_VALUE]
    return limit * orders.words[order + O_LEAVES] * tick_value


def reserved_by(state: State, order: i64) -> i64:
    """Return what an open order counts for in its account's reservations."""
    row: i64 = state.orders.cold_of(order)
    if row != 0:
        return state.orders.cold[row + X_RESERVED]
    is_buy: bool = state.orders.words[order + O_OWNER] & SIDE_MASK == BUY
    return value_of(state, order) if is_buy else 0


def reserve_anew(state: State, order: i64) -> None:
    """Let an order with a cold row reserve what it needs now."""
    orders = state.orders
    row: i64 = orders.cold_of(order)
    side: i64 = orders.words[order + O_OWNER] & SIDE_MASK
    _set_reserved(state, order, row, reservation(orders.cold, row, side, value_of(state, order)))


def _set_reserved(state: State, order: i64, row: i64, amount_minor: i64) -> None:
    orders = state.orders
    more: i64 = amount_minor - orders.cold[row + X_RESERVED]
    orders.cold[row + X_RESERVED] = amount_minor
    add_reserved(state, orders.words[order + O_OWNER] & POSITION_MASK, more)


def add_reserved(state: State, position: i64, amount_minor: i64) -> None:
    accounts = state.accounts.words
    at: i64 = state.positions.words[position + P_ACCOUNT] + A_RESERVED
    accounts[at] = accounts[at] + amount_minor


def count_lots(state: State, order: i64, lots: i64) -> None:
    """Add to the open lots of an order's side."""
    owner: i64 = state.orders.words[order + O_OWNER]
    at: i64 = (owner & POSITION_MASK) + P_OPEN_LOTS + (owner & SIDE_MASK)
    state.positions.words[at] = state.positions.words[at] + lots


def give_back(state: State, order: i64) -> None:
    """End all that an order promises."""
    if not state.risk:
        return
    position: i64 = state.orders.words[order + O_OWNER] & POSITION_MASK
    add_reserved(state, position, -reserved_by(state, order))
    count_lots(state, order, -state.orders.words[order + O_LEAVES])


# --- what is left --------------------------------------------------------------------------------


def margin_value(state: State, account: i64) -> int:
    """Return what positions lend (long) and bind (short), at the day's reference prices."""
    total = 0
    if state.accounts.words[account + A_WATCH] & WATCH_MARGIN == 0:
        return total
    leverage = int(state.accounts.words[account + A_LEVERAGE])
    slot: i64 = 1
    while slot <= state.instruments.count:
        instrument: i64 = slot << INSTRUMENT_SHIFT
        lots = state.positions.words[state.positions.find(account, instrument) + P_TOTAL]
        words = state.instruments.words
        worth = int(lots) * int(words[instrument + I_REFERENCE])
        worth *= int(words[instrument + I_TICK_VALUE])
        more = leverage - 100 if worth > 0 else leverage + 100
        total += worth * more // leverage  # rounds down: lends less, binds more
        slot += 1
    return total


def cash_left(state: State, account: i64) -> i64:
    words = state.accounts.words
    return words[account + A_TOTAL] - words[account + A_RESERVED] - words[account + A_HELD]


def can_reserve(state: State, account: i64, more_minor: i64) -> bool:
    """Say whether an account's buying power covers so much more."""
    if more_minor <= 0:
        return True
    if state.accounts.words[account + A_WATCH] & WATCH_MARGIN == 0:
        return more_minor <= cash_left(state, account)
    return int(more_minor) <= int(cash_left(state, account)) + margin_value(state, account)


def can_withdraw(state: State, account: i64, amount_minor: i64) -> bool:
    """Say whether so much settled cash is there that neither orders, holds nor margin need."""
    words = state.accounts.words
    if amount_minor > words[account + A_SETTLED] - words[account + A_HELD]:
        return False
    return amount_minor <= cash_left(state, account) and can_reserve(state, account, amount_minor)
