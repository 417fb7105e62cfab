"""Finds the next order that a sweep takes off."""

from mypy_extensions import i64

from hotpath.core.layout import (
    A_GROUP,
    A_OPEN_ORDERS,
    ACCOUNT_SHIFT,
    INSTRUMENT_SHIFT,
    O_OWNER,
    P_NEWEST_ORDER,
    P_OPEN_ORDERS,
    SIDE_MASK,
    X_EXPIRY,
    X_ORDER,
    X_SESSION,
    X_SESSION_OLDER,
    X_TIME,
)
from hotpath.core.sessions import CHAINS
from hotpath.core.state import State
from hotpath.core.sweeps import ALL_TIMES, ANY, OF_THE_DAY, Sweep
from hotpath.core.validity import may_rest
from shared.domain.records import DAY, GTC, GTD


def next_order(state: State, sweep: Sweep) -> i64:
    """Return the order that the sweep takes off next, or 0 when none is left."""
    if sweep.session != ANY:
        return _next_of_session(state, sweep)
    while sweep.account_slot <= state.accounts.count:
        account: i64 = sweep.account_slot << ACCOUNT_SHIFT
        if _wants_account(state, sweep, account):
            found: i64 = _next_of_account(state, sweep, account)
            if found != 0:
                return found
        sweep.account_slot += 1
        sweep.instrument_slot = 1
        sweep.below = 0
    return 0


def _wants_account(state: State, sweep: Sweep, account: i64) -> bool:
    words = state.accounts.words
    if sweep.account != ANY and sweep.account != account:
        return False
    if sweep.group != ANY and sweep.group != words[account + A_GROUP]:
        return False
    return words[account + A_OPEN_ORDERS] > 0


def _next_of_account(state: State, sweep: Sweep, account: i64) -> i64:
    while sweep.instrument_slot <= state.instruments.count:
        instrument: i64 = sweep.instrument_slot << INSTRUMENT_SHIFT
        if sweep.instrument == ANY or sweep.instrument == instrument:
            position: i64 = state.positions.find(account, instrument)
            found: i64 = _next_of_position(state, sweep, position)
            if found != 0:
                return found
        sweep.instrument_slot += 1
        sweep.below = 0
    return 0


def _next_of_position(state: State, sweep: Sweep, position: i64) -> i64:
    orders = state.orders
    order: i64 = state.positions.words[position + P_NEWEST_ORDER]
    while order != 0:
        age: i64 = orders.accepted(order)
        is_due: bool = age <= sweep.until and (sweep.below == 0 or age <= sweep.below)
        if is_due and _wants_order(state, sweep, order):
            sweep.below = age
            return order
        order = orders.older(order)
    return 0


def _wants_order(state: State, sweep: Sweep, order: i64) -> bool:
    orders = state.orders
    if sweep.side != ANY and orders.words[order + O_OWNER] & SIDE_MASK != sweep.side:
        return False
    if sweep.times == ALL_TIMES:
        return True
    row: i64 = orders.cold_of(order)
    time: i64 = GTC if row == 0 else orders.cold[row + X_TIME]
    if sweep.times == OF_THE_DAY:
        return time == DAY or not may_rest(time)
    return time == GTD and orders.cold[row + X_EXPIRY] <= sweep.expired_at


def _next_of_session(state: State, sweep: Sweep) -> i64:
    cold = state.orders.cold
    row: i64 = state.sessions.newest[sweep.session % CHAINS]
    while row != 0:
        order: i64 = cold[row + X_ORDER]
        if cold[row + X_SESSION] == sweep.session and state.orders.accepted(order) <= sweep.until:
            return order
        row = cold[row + X_SESSION_OLDER]
    return 0


def count(state: State, sweep: Sweep) -> i64:
    """Return how many orders a new sweep of an account or session takes off."""
    if sweep.session != ANY:
        return _count_session(state, sweep)
    total: i64 = 0
    slot: i64 = 1
    while slot <= state.instruments.count:
        instrument: i64 = slot << INSTRUMENT_SHIFT
        if sweep.instrument == ANY or sweep.instrument == instrument:
            position: i64 = state.positions.find(sweep.account, instrument)
            both: i64 = state.positions.words[position + P_OPEN_ORDERS]
            if sweep.side != 1:
                total += both & 0xFFFFFFFF
            if sweep.side != 0:
                total += both >> 32
        slot += 1
    return total


def _count_session(state: State, sweep: Sweep) -> i64:
    cold = state.orders.cold
    total: i64 = 0
    row: i64 = state.sessions.newest[sweep.session % CHAINS]
    while row != 0:
        if cold[row + X_SESSION] == sweep.session:
            total += 1
        row = cold[row + X_SESSION_OLDER]
    return total
