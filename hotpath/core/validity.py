"""Which combinations are refused: order_rules.toml as code. A test compares every combination."""

from mypy_extensions import i64

from hotpath.core.codes import (
    ACCEPTED,
    DISPLAY_MUST_REST,
    FLAG_NOT_FOR_TYPE,
    HIDDEN_AND_ICEBERG,
    INSTRUMENT_CLOSED,
    INSTRUMENT_DELISTED,
    INSTRUMENT_HALTED,
    MINIMUM_NEEDS_IOC,
    NOT_IN_SESSION,
    POST_ONLY_MUST_REST,
    SELF_TRADE_MODE_WITHOUT_USE,
    TIME_IN_FORCE_NOT_FOR_TYPE,
)
from shared.domain.records import (
    AT_CLOSE,
    AT_OPEN,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    ORDER_HIDDEN,
    ORDER_ICEBERG,
    ORDER_MINIMUM,
    ORDER_POST_ONLY,
    PEGGED,
    SESSION_CLOSED,
    SESSION_CONTINUOUS,
    SESSION_DELISTED,
    SESSION_HALTED,
    SESSION_OPENING_UNCROSS,
    SESSION_PRE_OPEN,
)


def may_rest(time: i64) -> bool:
    return time in (GTC, DAY, GTD)


def is_for_auction(time: i64) -> bool:
    return time in (AT_OPEN, AT_CLOSE)


def never_valid(order_type: i64, time: i64, mode: i64, flags: i64) -> i64:
    """Return the code of what no session would take, or ACCEPTED."""
    rests: bool = may_rest(time)
    if order_type == MARKET:
        if rests:
            return TIME_IN_FORCE_NOT_FOR_TYPE
    elif order_type != LIMIT and not rests:
        return TIME_IN_FORCE_NOT_FOR_TYPE
    dark: i64 = flags & (ORDER_HIDDEN | ORDER_ICEBERG)
    if order_type != LIMIT and (dark != 0 or flags & ORDER_POST_ONLY != 0):
        return FLAG_NOT_FOR_TYPE
    if dark == ORDER_HIDDEN | ORDER_ICEBERG:
        return HIDDEN_AND_ICEBERG
    if flags & ORDER_POST_ONLY != 0 and not rests:
        return POST_ONLY_MUST_REST
    if flags & ORDER_MINIMUM != 0 and time != IOC:
        return MINIMUM_NEEDS_IOC
    if dark != 0 and not rests:
        return DISPLAY_MUST_REST
    if mode != 0 and is_for_auction(time):
        return SELF_TRADE_MODE_WITHOUT_USE
    return ACCEPTED


def not_now(order_type: i64, time: i64, flags: i64, session: i64) -> i64:
    """Return the code with which a session refuses an order, or ACCEPTED."""
    if session == SESSION_CONTINUOUS:
        return NOT_IN_SESSION if time == AT_OPEN else ACCEPTED
    if session == SESSION_HALTED:
        return INSTRUMENT_HALTED
    if session in (SESSION_CLOSED, SESSION_OPENING_UNCROSS):
        return INSTRUMENT_CLOSED
    if session == SESSION_DELISTED:
        return INSTRUMENT_DELISTED
    if time in (IOC, FOK) or flags & ORDER_POST_ONLY != 0:
        return NOT_IN_SESSION
    if order_type in (MARKET_TO_LIMIT, PEGGED):
        return NOT_IN_SESSION
    if time == AT_OPEN and session != SESSION_PRE_OPEN:
        return NOT_IN_SESSION
    return ACCEPTED
