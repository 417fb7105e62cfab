"""Chains of orders that something has to find: pegged and trailing ones by instrument, those that
leave when their session disconnects by session."""

from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.layout import (
    I_FOLLOWER_COUNT,
    I_FOLLOWERS,
    I_PEG_COUNT,
    X_AFTER,
    X_BEFORE,
    X_FLAGS,
    X_SESSION,
    X_SESSION_NEWER,
    X_SESSION_OLDER,
    X_TYPE,
)
from hotpath.core.sessions import CHAINS
from hotpath.core.state import State
from shared.domain.records import ORDER_CANCEL_ON_DISCONNECT, PEGGED, TRAILING_STOP


def follows(order_type: i64) -> bool:
    return order_type in (PEGGED, TRAILING_STOP)


def note(state: State, order: i64) -> None:
    """Chain a new order where its kind belongs."""
    orders = state.orders
    cold = orders.cold
    row: i64 = orders.cold_of(order)
    if follows(cold[row + X_TYPE]):
        instrument: i64 = book.instrument_of(state, order)
        words = state.instruments.words
        first: i64 = words[instrument + I_FOLLOWERS]
        cold[row + X_AFTER] = first
        cold[row + X_BEFORE] = 0
        if first != 0:
            cold[first + X_BEFORE] = row
        words[instrument + I_FOLLOWERS] = row
        _count(state, instrument, cold[row + X_TYPE], 1)
    if cold[row + X_FLAGS] & ORDER_CANCEL_ON_DISCONNECT != 0:
        chain: i64 = cold[row + X_SESSION] % CHAINS
        older: i64 = state.sessions.newest[chain]
        cold[row + X_SESSION_OLDER] = older
        cold[row + X_SESSION_NEWER] = 0
        if older != 0:
            cold[older + X_SESSION_NEWER] = row
        state.sessions.newest[chain] = row


def forget(state: State, order: i64) -> None:
    """Take an order out of these chains."""
    cold = state.orders.cold
    row: i64 = state.orders.cold_of(order)
    stop_following(state, order)
    if cold[row + X_FLAGS] & ORDER_CANCEL_ON_DISCONNECT != 0:
        older: i64 = cold[row + X_SESSION_OLDER]
        newer: i64 = cold[row + X_SESSION_NEWER]
        if older != 0:
            cold[older + X_SESSION_NEWER] = newer
        if newer != 0:
            cold[newer + X_SESSION_OLDER] = older
        else:
            state.sessions.newest[cold[row + X_SESSION] % CHAINS] = older


def stop_following(state: State, order: i64) -> None:
    """Take a pegged or trailing order out of its instrument's chain."""
    cold = state.orders.cold
    row: i64 = state.orders.cold_of(order)
    if not follows(cold[row + X_TYPE]):
        return
    instrument: i64 = book.instrument_of(state, order)
    before: i64 = cold[row + X_BEFORE]
    after: i64 = cold[row + X_AFTER]
    if before != 0:
        cold[before + X_AFTER] = after
    else:
        state.instruments.words[instrument + I_FOLLOWERS] = after
    if after != 0:
        cold[after + X_BEFORE] = before
    _count(state, instrument, cold[row + X_TYPE], -1)


def _count(state: State, instrument: i64, order_type: i64, change: i64) -> None:
    words = state.instruments.words
    words[instrument + I_FOLLOWER_COUNT] = words[instrument + I_FOLLOWER_COUNT] + change
    if order_type == PEGGED:
        words[instrument + I_PEG_COUNT] = words[instrument + I_PEG_COUNT] + change
        state.instruments.watch(instrument)
