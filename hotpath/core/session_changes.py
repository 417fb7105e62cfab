"""Trading sessions: which may follow which, and what a change does."""

from mypy_extensions import i64

from hotpath.core import pegs
from hotpath.core.layout import I_ID, I_SESSION
from hotpath.core.state import State
from shared.domain.records import (
    INSTRUMENT_STATE_CHANGED,
    SESSION_CLOSED,
    SESSION_CLOSING_AUCTION,
    SESSION_CONTINUOUS,
    SESSION_DELISTED,
    SESSION_HALTED,
    SESSION_OPENING_UNCROSS,
    SESSION_PRE_OPEN,
    SESSION_VOLATILITY_AUCTION,
)


def is_call(session: i64) -> bool:
    return session in (
        SESSION_PRE_OPEN,
        SESSION_OPENING_UNCROSS,
        SESSION_VOLATILITY_AUCTION,
        SESSION_CLOSING_AUCTION,
    )


def may_follow(session: i64, following: i64) -> bool:
    """Say whether SET_INSTRUMENT_STATE may make this change.

    UNCROSS ends a call in another way, and the core itself halts (circuit breaker) and calls
    volatility auctions.
    """
    if session in (SESSION_DELISTED, following):
        return False
    if following in (SESSION_HALTED, SESSION_CLOSED):
        return True
    if session == SESSION_CLOSED:
        return following in (SESSION_PRE_OPEN, SESSION_CONTINUOUS)
    if session == SESSION_PRE_OPEN:
        return following == SESSION_OPENING_UNCROSS
    if session == SESSION_OPENING_UNCROSS:
        return following == SESSION_PRE_OPEN
    auction: bool = following in (SESSION_VOLATILITY_AUCTION, SESSION_CLOSING_AUCTION)
    if session == SESSION_CONTINUOUS:
        return auction
    if session == SESSION_HALTED:
        return auction or following in (SESSION_PRE_OPEN, SESSION_CONTINUOUS)
    return False


def can_uncross(session: i64, following: i64) -> bool:
    after: bool = following in (SESSION_CONTINUOUS, SESSION_HALTED, SESSION_CLOSED)
    return is_call(session) and after


def change(state: State, instrument: i64, session: i64, code: i64, id_: i64) -> None:
    """Change the session; code is the PriceLimit that caused it, 0 for a command."""
    words = state.instruments.words
    words[instrument + I_SESSION] = session
    state.instruments.watch(instrument)
    state.work_due = True
    header: i64 = INSTRUMENT_STATE_CHANGED | code << 16 | words[instrument + I_ID] << 48
    state.events.emit(header, id_, 0, 0, session, 0, 0, 0)
    if session != SESSION_CONTINUOUS:
        pegs.park(state, instrument)
