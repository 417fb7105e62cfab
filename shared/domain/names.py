"""What the numbers of the record layouts are called, outside the engine: FIX's terms."""

from typing import Final

from shared.domain import records as r

SIDES: Final = {r.BUY: "BUY", r.SELL: "SELL"}
ORDER_TYPES: Final = {
    r.LIMIT: "LIMIT",
    r.MARKET: "MARKET",
    r.MARKET_TO_LIMIT: "MARKET_TO_LIMIT",
    r.STOP: "STOP",
    r.STOP_LIMIT: "STOP_LIMIT",
    r.TRAILING_STOP: "TRAILING_STOP",
    r.PEGGED: "PEGGED",
}
TIMES_IN_FORCE: Final = {
    r.GTC: "GTC",
    r.IOC: "IOC",
    r.FOK: "FOK",
    r.DAY: "DAY",
    r.GTD: "GTD",
    r.AT_OPEN: "AT_OPEN",
    r.AT_CLOSE: "AT_CLOSE",
}
PEGS: Final = {r.PEG_PRIMARY: "PRIMARY", r.PEG_MARKET: "MARKET", r.PEG_MIDPOINT: "MIDPOINT"}
SELF_TRADE_MODES: Final = {
    r.SELF_TRADE_CANCEL_NEWEST: "CANCEL_NEWEST",
    r.SELF_TRADE_CANCEL_OLDEST: "CANCEL_OLDEST",
    r.SELF_TRADE_CANCEL_BOTH: "CANCEL_BOTH",
    r.SELF_TRADE_DECREMENT: "DECREMENT",
}
LINKS: Final = {r.LINK_CANCELS_OTHER: "OCO", r.LINK_AFTER_OTHER: "OTO"}
SESSIONS: Final = {
    r.SESSION_CONTINUOUS: "CONTINUOUS",
    r.SESSION_HALTED: "HALTED",
    r.SESSION_CLOSED: "CLOSED",
    r.SESSION_PRE_OPEN: "PRE_OPEN",
    r.SESSION_OPENING_UNCROSS: "OPENING_UNCROSS",
    r.SESSION_VOLATILITY_AUCTION: "VOLATILITY_AUCTION",
    r.SESSION_CLOSING_AUCTION: "CLOSING_AUCTION",
    r.SESSION_DELISTED: "DELISTED",
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
