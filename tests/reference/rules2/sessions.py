"""Trading sessions: which may follow which, and what a change does."""

from shared.domain import records as r
from shared.domain import records_v2 as v
from tests.reference.rules2 import pegs
from tests.reference.rules2.model import CALLS, Instrument, Market

# By SET_INSTRUMENT_STATE. UNCROSS ends a call in another way, and the core itself halts
# (circuit breaker) and calls volatility auctions.
MAY_FOLLOW = {
    v.SESSION_CLOSED: (v.SESSION_PRE_OPEN, v.SESSION_CONTINUOUS, v.SESSION_HALTED),
    v.SESSION_PRE_OPEN: (v.SESSION_OPENING_UNCROSS, v.SESSION_HALTED, v.SESSION_CLOSED),
    v.SESSION_OPENING_UNCROSS: (v.SESSION_PRE_OPEN, v.SESSION_HALTED, v.SESSION_CLOSED),
    v.SESSION_CONTINUOUS: (
        v.SESSION_HALTED,
        v.SESSION_VOLATILITY_AUCTION,
        v.SESSION_CLOSING_AUCTION,
        v.SESSION_CLOSED,
    ),
    v.SESSION_VOLATILITY_AUCTION: (v.SESSION_HALTED, v.SESSION_CLOSED),
    v.SESSION_CLOSING_AUCTION: (v.SESSION_HALTED, v.SESSION_CLOSED),
    v.SESSION_HALTED: (
        v.SESSION_PRE_OPEN,
        v.SESSION_CONTINUOUS,
        v.SESSION_VOLATILITY_AUCTION,
        v.SESSION_CLOSING_AUCTION,
        v.SESSION_CLOSED,
    ),
    v.SESSION_DELISTED: (),
}
AFTER_UNCROSS = (v.SESSION_CONTINUOUS, v.SESSION_HALTED, v.SESSION_CLOSED)


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
    if session != v.SESSION_CONTINUOUS:
        pegs.park(market, instrument)
