"""The form of an order: every word in its range, and present just where its meaning is."""

from librt.vecs import vec
from mypy_extensions import i64

from shared.domain.records import (
    AT_CLOSE,
    C_DISPLAY_LOTS,
    C_EXPIRY_NS,
    C_HEADER,
    C_ID,
    C_LINKED_ID,
    C_LOCATE_LOTS,
    C_MINIMUM_LOTS,
    C_MODES,
    C_OFFSET_TICKS,
    C_PRICE,
    C_QUANTITY,
    C_STOP_PRICE_TICKS,
    GTC,
    GTD,
    LIMIT,
    LINK_AFTER_OTHER,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    ORDER_CANCEL_ON_DISCONNECT,
    ORDER_FLAGS,
    ORDER_ICEBERG,
    ORDER_MINIMUM,
    ORDER_SHORT,
    PEG_MARKET,
    PEG_MIDPOINT,
    PEGGED,
    SELF_TRADE_DECREMENT,
    SELL,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)


def is_well_formed(c: vec[i64], time_ns: i64) -> bool:
    """Return whether the 16 words of an order are ones that an order can have."""
    header: i64 = c[C_HEADER]
    order_type: i64 = header >> 16 & 0xFF
    time: i64 = header >> 24 & 0xFF
    flags: i64 = header >> 32 & 0xFFFF
    if header >> 8 & 0xFF > SELL or not LIMIT <= order_type <= PEGGED:
        return False
    if not GTC <= time <= AT_CLOSE or flags & ~ORDER_FLAGS != 0:
        return False
    if not 1 <= c[C_QUANTITY] <= MAX_QUANTITY_LOTS or c[C_ID] <= 0:
        return False
    return _prices(c, order_type) and _amounts(c, time, flags, time_ns) and _modes(c, order_type)


def _is_price(value: i64, wanted: bool) -> bool:
    return 1 <= value <= MAX_PRICE_TICKS if wanted else value == 0


def _prices(c: vec[i64], order_type: i64) -> bool:
    stop: i64 = c[C_STOP_PRICE_TICKS]
    offset: i64 = c[C_OFFSET_TICKS]
    if order_type == TRAILING_STOP:
        if not 0 <= stop <= MAX_PRICE_TICKS or not _is_price(offset, True):
            return False
    elif order_type == PEGGED:
        least: i64 = 1 if c[C_MODES] & 0xFF == PEG_MARKET else 0
        if stop != 0 or not least <= offset <= MAX_PRICE_TICKS:
            return False
    elif offset != 0 or not _is_price(stop, order_type in (STOP, STOP_LIMIT)):
        return False
    has_limit: bool = order_type in (LIMIT, STOP_LIMIT, PEGGED)
    return _is_price(c[C_PRICE], has_limit)


def _is_part(value: i64, wanted: bool, lots: i64) -> bool:
    return 1 <= value <= lots if wanted else value == 0


def _amounts(c: vec[i64], time: i64, flags: i64, time_ns: i64) -> bool:
    lots: i64 = c[C_QUANTITY]
    if not _is_part(c[C_DISPLAY_LOTS], flags & ORDER_ICEBERG != 0, lots):
        return False
    if not _is_part(c[C_MINIMUM_LOTS], flags & ORDER_MINIMUM != 0, lots):
        return False
    locate: i64 = c[C_LOCATE_LOTS]
    if flags & ORDER_SHORT != 0:
        if not 0 <= locate <= MAX_QUANTITY_LOTS or c[C_HEADER] >> 8 & 0xFF != SELL:
            return False
    elif locate != 0:
        return False
    return c[C_EXPIRY_NS] > time_ns if time == GTD else c[C_EXPIRY_NS] == 0


def _modes(c: vec[i64], order_type: i64) -> bool:
    modes: i64 = c[C_MODES]
    peg: i64 = modes & 0xFF
    link: i64 = modes >> 16 & 0xFF
    if modes < 0 or modes >> 24 & 0xFF != 0 or modes >> 8 & 0xFF > SELF_TRADE_DECREMENT:
        return False
    if order_type == PEGGED:
        if not 1 <= peg <= PEG_MIDPOINT:
            return False
    elif peg != 0:
        return False
    if link > LINK_AFTER_OTHER:
        return False
    if (c[C_LINKED_ID] <= 0) if link != 0 else (c[C_LINKED_ID] != 0):
        return False
    return modes >> 32 > 0 or c[C_HEADER] >> 32 & ORDER_CANCEL_ON_DISCONNECT == 0
