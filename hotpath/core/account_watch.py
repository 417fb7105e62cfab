"""A_WATCH: what a plain order has to look at in an account."""

from mypy_extensions import i64

from hotpath.core.accounts import CASH_LEVERAGE
from hotpath.core.layout import (
    A_GROUP,
    A_KILLED,
    A_LEVERAGE,
    A_STATE,
    A_THROTTLE,
    A_TIER,
    A_WATCH,
    WATCH_KILLED,
    WATCH_MARGIN,
    WATCH_STATE,
    WATCH_TERMS,
    WATCH_THROTTLE,
)
from hotpath.core.state import State
from shared.domain.records import ACCOUNT_ACTIVE


def watch_account(state: State, account: i64) -> None:
    """Set A_WATCH anew. Once an account may have been short, its positions stay looked at."""
    a = state.accounts.words
    bits: i64 = a[account + A_WATCH] & WATCH_MARGIN
    if a[account + A_STATE] != ACCOUNT_ACTIVE:
        bits = bits | WATCH_STATE
    if a[account + A_KILLED] != 0 or state.house.is_killed(a[account + A_GROUP]):
        bits = bits | WATCH_KILLED
    if a[account + A_THROTTLE] != 0:
        bits = bits | WATCH_THROTTLE
    if a[account + A_LEVERAGE] != CASH_LEVERAGE:
        bits = bits | WATCH_TERMS | WATCH_MARGIN
    if a[account + A_TIER] != 0:
        bits = bits | WATCH_TERMS
    a[account + A_WATCH] = bits
