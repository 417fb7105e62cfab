"""An order as it is judged: its terms in the cold row of drafts, before it has one of its own."""

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import (
    prices,
)
from hotpath.core.entering import is_stop
from hotpath.core.layout import (
    A_LEVERAGE,
    A_TIER,
    I_LAST,
    IS_INCOMING,
    X_DISPLAY,
    X_EXPIRY,
    X_FLAGS,
    X_LEVERAGE,
    X_LIMIT,
    X_LINK,
    X_LOCATE,
    X_MINIMUM,
    X_MODE,
    X_OFFSET,
    X_PEG,
    X_PLACE,
    X_RATES,
    X_SESSION,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from hotpath.core.orders import DRAFT
from hotpath.core.state import State
from shared.domain.records import (
    BUY,
    C_DISPLAY_LOTS,
    C_EXPIRY_NS,
    C_HEADER,
    C_LOCATE_LOTS,
    C_MINIMUM_LOTS,
    C_MODES,
    C_OFFSET_TICKS,
    C_PRICE,
    C_STOP_PRICE_TICKS,
    TRAILING_STOP,
)


def fill_draft(state: State, c: vec[i64], account: i64, instrument: i64, side: i64) -> None:
    """Write the terms of an order of 16 words, and those that it takes from its account, into the
    cold row of drafts."""
    state.orders.blank(DRAFT)
    x = state.orders.cold
    header: i64 = c[C_HEADER]
    x[DRAFT + X_TYPE] = header >> 16 & 0xFF
    x[DRAFT + X_TIME] = header >> 24 & 0xFF
    x[DRAFT + X_FLAGS] = header >> 32 & 0xFFFF
    x[DRAFT + X_PLACE] = IS_INCOMING
    x[DRAFT + X_DISPLAY] = c[C_DISPLAY_LOTS]
    x[DRAFT + X_MINIMUM] = c[C_MINIMUM_LOTS]
    x[DRAFT + X_STOP] = c[C_STOP_PRICE_TICKS]
    x[DRAFT + X_OFFSET] = c[C_OFFSET_TICKS]
    x[DRAFT + X_PEG] = c[C_MODES] & 0xFF
    x[DRAFT + X_MODE] = c[C_MODES] >> 8 & 0xFF
    x[DRAFT + X_LINK] = c[C_MODES] >> 16 & 0xFF
    x[DRAFT + X_SESSION] = c[C_MODES] >> 32
    x[DRAFT + X_EXPIRY] = c[C_EXPIRY_NS]
    x[DRAFT + X_LOCATE] = c[C_LOCATE_LOTS]
    x[DRAFT + X_LEVERAGE] = state.accounts.words[account + A_LEVERAGE]
    tier: i64 = state.accounts.words[account + A_TIER]
    if tier != 0:
        rates = state.house.tiers[int(tier)]
        x[DRAFT + X_RATES] = rates[0]
        x[DRAFT + X_RATES + 1] = rates[1]
        x[DRAFT + X_RATES + 2] = rates[2]
    last: i64 = state.instruments.words[instrument + I_LAST]
    if x[DRAFT + X_TYPE] == TRAILING_STOP and x[DRAFT + X_STOP] == 0 and last > 0:
        away: i64 = c[C_OFFSET_TICKS] if side == BUY else -c[C_OFFSET_TICKS]
        x[DRAFT + X_STOP] = max(1, last + away)
    limit: i64 = c[C_PRICE]
    if limit == 0:
        around: i64 = x[DRAFT + X_STOP] if is_stop(x[DRAFT + X_TYPE]) else last
        limit = prices.market_bound(state, instrument, around, side)
    x[DRAFT + X_LIMIT] = limit
