"""The forms of administrative commands: whether their words lie in their declared ranges."""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from shared.domain.records import (
    C_AUCTION_RATE,
    C_BREAKER_BPS,
    C_COLLAR_ACTION,
    C_COLLAR_BPS,
    C_DYNAMIC_COLLAR_BPS,
    C_HEADER,
    C_INSTRUMENT_CURRENCY,
    C_LIMIT_BAND_BPS,
    C_LIMIT_OPEN_ORDERS,
    C_LIMIT_ORDER_LOTS,
    C_LOT_SIZE,
    C_MAKER_RATE,
    C_MAX_ORDER_LOTS,
    C_MIN_NOTIONAL_MINOR,
    C_PRICE,
    C_REFERENCE_TICKS,
    C_STATIC_COLLAR_BPS,
    C_TICK_ROWS,
    C_TICK_VALUE_MINOR,
    C_UNCROSS_ORDER,
    COLLAR_STARTS_AUCTION,
    MAX_AMOUNT_MINOR,
    MAX_FEE_RATE,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    TICK_ROWS,
)

MAX_CURRENCY: Final = 999  # ISO 4217 numeric codes have three digits
_MAX_BPS: Final = 10_000
MAX_NUMBER: Final = (1 << 15) - 1  # of tiers and tick tables


def are_limits(c: vec[i64], at: i64) -> bool:
    word: i64 = at + C_LIMIT_ORDER_LOTS
    while word <= at + C_LIMIT_OPEN_ORDERS:
        if not 0 <= c[word] <= MAX_AMOUNT_MINOR:
            return False
        word += 1
    return True


def is_instrument(c: vec[i64], at: i64) -> bool:
    if c[at + C_HEADER] >> 48 == 0 or not 0 <= c[at + C_PRICE] <= MAX_PRICE_TICKS:
        return False
    if not 0 < c[at + C_TICK_VALUE_MINOR] <= MAX_AMOUNT_MINOR:
        return False
    if not 0 < c[at + C_MAX_ORDER_LOTS] <= MAX_QUANTITY_LOTS:
        return False
    if not 0 < c[at + C_INSTRUMENT_CURRENCY] <= MAX_CURRENCY:
        return False
    return 0 <= c[at + C_COLLAR_BPS] <= _MAX_BPS


def is_share(value: i64) -> bool:
    return 0 <= value <= _MAX_BPS


def are_terms(c: vec[i64], at: i64) -> bool:
    if not 0 <= c[at + C_REFERENCE_TICKS] <= MAX_PRICE_TICKS:
        return False
    if not 1 <= c[at + C_LOT_SIZE] <= MAX_QUANTITY_LOTS:
        return False
    if not 0 <= c[at + C_MIN_NOTIONAL_MINOR] <= MAX_AMOUNT_MINOR:
        return False
    if not is_share(c[at + C_STATIC_COLLAR_BPS]) or not is_share(c[at + C_DYNAMIC_COLLAR_BPS]):
        return False
    if not is_share(c[at + C_LIMIT_BAND_BPS]) or not is_share(c[at + C_BREAKER_BPS]):
        return False
    if not 0 <= c[at + C_COLLAR_ACTION] <= COLLAR_STARTS_AUCTION:
        return False
    return c[at + C_UNCROSS_ORDER] == 0 or are_criteria(c[at + C_UNCROSS_ORDER])


def are_criteria(order: i64) -> bool:
    """Say whether four nibbles are the numbers 1 to 4, volume (1) first."""
    if not 0 < order < 1 << 16 or order & 0xF != 1:
        return False
    seen: i64 = 0
    while order != 0:
        seen = seen | 1 << (order & 0xF)
        order = order >> 4
    return seen == 0b11110


def is_tier(c: vec[i64], at: i64) -> bool:
    word: i64 = at + C_MAKER_RATE
    while word <= at + C_AUCTION_RATE:
        if not -MAX_FEE_RATE <= c[word] <= MAX_FEE_RATE:
            return False
        word += 1
    return True


def are_ticks(c: vec[i64], at: i64) -> bool:
    """Say whether up to four pairs of price and step have rising prices; 0, 0 is no row."""
    before: i64 = 0
    row: i64 = at + C_TICK_ROWS
    while row < at + C_TICK_ROWS + 2 * TICK_ROWS:
        start: i64 = c[row]
        step: i64 = c[row + 1]
        if start != 0 or step != 0:
            if not before < start <= MAX_PRICE_TICKS or not 0 < step <= MAX_PRICE_TICKS:
                return False
            before = start
        row += 2
    return before > 0
