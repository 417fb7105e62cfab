"""Order-rate throttles: so many accepted orders and replaces per window of the sequencer's time.

A throttle is three words, in an account's row (A_THROTTLE) or a session's: its limit, the window in
which it counted last, and how many that were. Setting a limit starts the count anew.
"""

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.codes import ACCEPTED, ACCOUNT_THROTTLED, SESSION_THROTTLED
from hotpath.core.layout import A_THROTTLE, A_WATCH, WATCH_THROTTLE
from hotpath.core.state import State


def set_limit(words: vec[i64], at: i64, limit: i64) -> None:
    words[at] = limit
    words[at + 1] = -1
    words[at + 2] = 0


def check(state: State, account: i64, session: i64) -> i64:
    """Return the code that refuses one more order in this window, or ACCEPTED."""
    accounts = state.accounts.words
    throttled: bool = accounts[account + A_WATCH] & WATCH_THROTTLE != 0
    if throttled and _is_full(state, accounts, account + A_THROTTLE):
        return ACCOUNT_THROTTLED
    at: i64 = state.sessions.find(session)
    if at != 0 and _is_full(state, state.sessions.words, at):
        return SESSION_THROTTLED
    return ACCEPTED


def count(state: State, account: i64, session: i64) -> None:
    """Count an accepted order."""
    accounts = state.accounts.words
    if accounts[account + A_WATCH] & WATCH_THROTTLE != 0:
        _count(state, accounts, account + A_THROTTLE)
    at: i64 = state.sessions.find(session)
    if at != 0:
        _count(state, state.sessions.words, at)


def _is_full(state: State, words: vec[i64], at: i64) -> bool:
    window: i64 = state.time_ns // state.throttle_window_ns
    return words[at] > 0 and words[at + 1] == window and words[at + 2] >= words[at]


def _count(state: State, words: vec[i64], at: i64) -> None:
    if words[at] == 0:
        return
    window: i64 = state.time_ns // state.throttle_window_ns
    words[at + 2] = words[at + 2] + 1 if words[at + 1] == window else 1
    words[at + 1] = window
