"""Trading sessions: which may follow which, and what a change does."""

from shared.domain import records as r
from tests.reference import pegs
from tests.reference.model import CALLS, Instrument, Market

# By SET_INSTRUMENT_STATE. UNCROSS ends a call in another way, and the core itself halts
# (circuit breaker) and calls volatility auctions.
MAY_FOLLOW = {
    r.SESSION_CLOSED: (r.SESSION_PRE_OPEN, r.SESSION_CONTINUOUS, r.SESSION_HALTED),
    r.SESSION_PRE_OPEN: (r.SESSION_OPENING_UNCROSS, r.SESSION_HALTED, r.SESSION_CLOSED),
    r.SESSION_OPENING_UNCROSS: (r.SESSION_PRE_OPEN, r.SESSION_HALTED, r.SESSION_CLOSED),
    r.SESSION_CONTINUOUS: (
        r.SESSION_HALTED,
        r.SESSION_VOLATILITY_AUCTION,
        r.SESSION_CLOSING_AUCTION,
        r.SESSION_CLOSED,
    ),
    r.SESSION_VOLATILITY_AUCTION: (r.SESSION_HALTED, r.SESSION_CLOSED),
    r.SESSION_CLOSING_AUCTION: (r.SESSION_HALTED, r.SESSION_CLOSED),
    r.SESSION_HALTED: (
        r.SESSION_PRE_OPEN,
        r.SESSION_CONTINUOUS,
        r.SESSION_VOLATILITY_AUCTION,
        r.SESSION_CLOSING_AUCTION,
        r.SESSION_CLOSED,
    ),
    r.SESSION_DELISTED: (),
}
AFTER_UNCROSS = (r.SESSION_CONTINUOUS, r.SESSION_HALTED, r.SESSION_CLOSED)


def may_follow(instrument: Instrument, session: int) -> bool:
    return session in MAY_FOLLOW[instrument.session]


def can_uncross(instrument: Instrument, session: int) -> bool:
    return instrument.session in CALLS and session in AFTER_UNCROSS


def change(
    market: Market, instrument: Instrument, session: int, code: int = 0, id_: int = 0
) -> None:
    """Change the session; code is the PriceLimit that caused it, 0 for a command."""
    instrument.session = session
    number = instrument.instrument_id
    words = [0, session]
    market.emit(r.INSTRUMENT_STATE_CHANGED, id_, 0, words, code=code, instrument=number)
    if session != r.SESSION_CONTINUOUS:
        pegs.park(market, instrument)
