"""What a snapshot's bytes mean: its tables, and which word of a row comes from where.

Canonical means: the same for every implementation of the same rules. Rows stand in the order of
their ids, orders in that of their acceptance. All words are 64 bits, little-endian:

    header      magic, format, rules version, sequence, time_ns, day, sequence that ended the day
                before, sequence up to which numbers are used, cash issued, fees collected, firm
                killed, work left, digest of the ids, then how many rows of each kind follow, in
                this order:
    account     id, currency, sequence that added it, state, total, settled, reserved, held,
                open orders, group, tier, leverage, killed, limits (order lots, order value,
                position, open orders), throttle (limit, window, used)
    instrument  id, currency, sequence that added it, session, tick value, largest order, collar,
                reference, last, high, low, issued lots, tick table, lot size, minimum value,
                static collar, dynamic collar, its action, limit band, breaker, uncross criteria
    position    account id, instrument id, total, settled, open buy lots, open sell lots
    order       id, instrument id << 1 | side, price in the book (0: not there), leaves, rank by
                priority
    terms       of an order: id, type, time in force, flags, place, limit, display, shown, minimum,
                stop price, offset, peg, self-trade mode, link, linked id, session, expiry, locate,
                fees (whole, millionths, paid), rates (maker, taker, auction), leverage. An order
                that stands in the book at its limit, good till cancelled, and has no other term
                has no such row
    hold        id, account id, amount, kind (1 withdrawal, 2 credit move)
    tier        number, maker, taker, auction
    ticks       number, four pairs of price and step
    group       number of a killed group
    session     number, throttle (limit, window, used)
    amended     sequence, index, six terms (all zero: busted)
    sweep       number of orders that are old enough, reason, account id, group, instrument id,
                side, session, times, expired at, expires; -1 stands for any
    id          id, first sequence
    check       eight bytes: BLAKE2b of all before
"""

from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import (
    A_CURRENCY,
    A_GROUP,
    A_HELD,
    A_ID,
    A_KILLED,
    A_LEVERAGE,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_SEQUENCE,
    A_SETTLED,
    A_STATE,
    A_THROTTLE,
    A_TIER,
    A_TOTAL,
    I_BAND_BPS,
    I_BREAKER_BPS,
    I_COLLAR_ACTION,
    I_COLLAR_BPS,
    I_CURRENCY,
    I_DYNAMIC_BPS,
    I_HIGH,
    I_ID,
    I_ISSUED_LOTS,
    I_LAST,
    I_LOT_SIZE,
    I_LOW,
    I_MAX_ORDER_LOTS,
    I_MIN_NOTIONAL,
    I_REFERENCE,
    I_SEQUENCE,
    I_SESSION,
    I_STATIC_BPS,
    I_TICK_TABLE,
    I_TICK_VALUE,
    I_UNCROSS_ORDER,
    P_OPEN_LOTS,
    P_SETTLED,
    P_TOTAL,
    X_DISPLAY,
    X_EXPIRY,
    X_FEE_PAID,
    X_FEE_PART,
    X_FEE_WHOLE,
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
    X_SHOWN,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from shared.domain.records import BUY, SELL

MAGIC: Final = 0x544F_4853_5041_4E53  # "SNAPSHOT"
FORMAT_VERSION: Final = 2
HEADER_WORDS: Final = 13
CHECK_BYTES: Final = 8

# The tables, in their order, and how many words a row of each has.
ACCOUNTS: Final = 0
INSTRUMENTS: Final = 1
POSITIONS: Final = 2
ORDERS: Final = 3
TERMS: Final = 4
HOLDS: Final = 5
TIERS: Final = 6
TICKS: Final = 7
GROUPS: Final = 8
SESSIONS: Final = 9
AMENDED: Final = 10
SWEEPS: Final = 11
IDS: Final = 12
TABLES: Final = 13
WIDTHS: Final = (20, 21, 6, 5, 25, 4, 4, 9, 1, 4, 8, 10, 2)

ACCOUNT_FIELDS: Final = vec[i64]([
    A_ID, A_CURRENCY, A_SEQUENCE, A_STATE, A_TOTAL, A_SETTLED, A_RESERVED, A_HELD,
    A_OPEN_ORDERS, A_GROUP, A_TIER, A_LEVERAGE, A_KILLED, A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE, A_MAX_POSITION, A_MAX_OPEN_ORDERS,
    A_THROTTLE, A_THROTTLE + 1, A_THROTTLE + 2,
])  # fmt: skip
INSTRUMENT_FIELDS: Final = vec[i64]([
    I_ID, I_CURRENCY, I_SEQUENCE, I_SESSION, I_TICK_VALUE, I_MAX_ORDER_LOTS, I_COLLAR_BPS,
    I_REFERENCE, I_LAST, I_HIGH, I_LOW, I_ISSUED_LOTS, I_TICK_TABLE, I_LOT_SIZE,
    I_MIN_NOTIONAL, I_STATIC_BPS, I_DYNAMIC_BPS, I_COLLAR_ACTION, I_BAND_BPS, I_BREAKER_BPS,
    I_UNCROSS_ORDER,
])  # fmt: skip
POSITION_FIELDS: Final = vec[i64]([P_TOTAL, P_SETTLED, P_OPEN_LOTS + BUY, P_OPEN_LOTS + SELL])
# Of an order with a cold row: what stands before its link's other end, and what behind.
TERMS_FIELDS: Final = vec[i64]([
    X_TYPE, X_TIME, X_FLAGS, X_PLACE, X_LIMIT, X_DISPLAY, X_SHOWN, X_MINIMUM, X_STOP,
    X_OFFSET, X_PEG, X_MODE, X_LINK,
])  # fmt: skip
LATER_FIELDS: Final = vec[i64]([
    X_SESSION, X_EXPIRY, X_LOCATE, X_FEE_WHOLE, X_FEE_PART, X_FEE_PAID,
    X_RATES, X_RATES + 1, X_RATES + 2, X_LEVERAGE,
])  # fmt: skip


def write_four(out: BytesWriter, first: i64, second: i64, third: i64, fourth: i64) -> None:
    write_i64_le(out, first)
    write_i64_le(out, second)
    write_i64_le(out, third)
    write_i64_le(out, fourth)


def write_fields(out: BytesWriter, words: vec[i64], at: i64, fields: vec[i64]) -> None:
    index: i64 = 0
    count: i64 = len(fields)
    while index < count:
        write_i64_le(out, words[at + fields[index]])
        index += 1


def read_fields(data: bytes, at: i64, words: vec[i64], row: i64, fields: vec[i64]) -> None:
    """Read the words of a row of `words` that `write_fields` wrote."""
    index: i64 = 0
    count: i64 = len(fields)
    while index < count:
        words[row + fields[index]] = read_i64_le(data, at + index * 8)
        index += 1
