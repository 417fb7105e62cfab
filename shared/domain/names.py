"""What the numbers of the record layouts are called, outside the engine: FIX's terms."""

from typing import Final

from shared.domain import records as r
from shared.domain import records_v2 as v

SIDES: Final = {r.BUY: "BUY", r.SELL: "SELL"}
ORDER_TYPES: Final = {
    r.LIMIT: "LIMIT",
    r.MARKET: "MARKET",
    v.MARKET_TO_LIMIT: "MARKET_TO_LIMIT",
    v.STOP: "STOP",
    v.STOP_LIMIT: "STOP_LIMIT",
    v.TRAILING_STOP: "TRAILING_STOP",
    v.PEGGED: "PEGGED",
}
TIMES_IN_FORCE: Final = {
    r.GTC: "GTC",
    r.IOC: "IOC",
    v.FOK: "FOK",
    v.DAY: "DAY",
    v.GTD: "GTD",
    v.AT_OPEN: "AT_OPEN",
    v.AT_CLOSE: "AT_CLOSE",
}
PEGS: Final = {v.PEG_PRIMARY: "PRIMARY", v.PEG_MARKET: "MARKET", v.PEG_MIDPOINT: "MIDPOINT"}
SELF_TRADE_MODES: Final = {
    v.SELF_TRADE_CANCEL_NEWEST: "CANCEL_NEWEST",
    v.SELF_TRADE_CANCEL_OLDEST: "CANCEL_OLDEST",
    v.SELF_TRADE_CANCEL_BOTH: "CANCEL_BOTH",
    v.SELF_TRADE_DECREMENT: "DECREMENT",
}
LINKS: Final = {v.LINK_CANCELS_OTHER: "OCO", v.LINK_AFTER_OTHER: "OTO"}
SESSIONS: Final = {
    v.SESSION_CONTINUOUS: "CONTINUOUS",
    v.SESSION_HALTED: "HALTED",
    v.SESSION_CLOSED: "CLOSED",
    v.SESSION_PRE_OPEN: "PRE_OPEN",
    v.SESSION_OPENING_UNCROSS: "OPENING_UNCROSS",
    v.SESSION_VOLATILITY_AUCTION: "VOLATILITY_AUCTION",
    v.SESSION_CLOSING_AUCTION: "CLOSING_AUCTION",
    v.SESSION_DELISTED: "DELISTED",
}
CALLS: Final = frozenset({"PRE_OPEN", "OPENING_UNCROSS", "VOLATILITY_AUCTION", "CLOSING_AUCTION"})
ACCOUNT_STATES: Final = {
    r.ACCOUNT_ACTIVE: "ACTIVE",
    r.ACCOUNT_REDUCING: "REDUCING",
    r.ACCOUNT_HALTED: "HALTED",
}
NO_AGGRESSOR: Final = "NONE"  # the aggressor's side of a trade at an uncross


def numbers(names: dict[int, str]) -> dict[str, int]:
    """Return the numbers by name."""
    return {name: number for number, name in names.items()}
