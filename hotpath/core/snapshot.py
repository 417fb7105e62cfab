"""The whole state in canonical bytes, and the state hash. `restore.py` is the way back.

Canonical means: the same for every implementation of the same rules. Rows stand in the order of
their ids, orders in that of their acceptance. All words are 64 bits, little-endian:

    header      magic, format, rules version, sequence, time_ns, day, sequence that ended the day
                before, cash issued, fees collected, firm killed, work left, digest of the ids,
                then how many rows of each kind follow, in this order:
    account     id, currency, sequence that added it, state, total, settled, reserved, held,
                open orders, group, tier, leverage, killed, limits (order lots, order value,
                position, open orders), throttle (limit, window, used)
    instrument  id, currency, sequence that added it, session, tick value, largest order, collar,
                reference, last, high, low, issued lots, tick table, lot size, minimum value,
                static collar, dynamic collar, its action, limit band, breaker, uncross criteria
    position    account id, instrument id, total, settled, open buy lots, open sell lots
    order       id, instrument id, side, type, time in force, flags, place, price in the book,
                limit, leaves, display, shown, minimum, stop price, offset, peg, self-trade mode,
                link, linked id, session, expiry, locate, fees (whole, millionths, paid), rates
                (maker, taker, auction), leverage, rank by priority
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

The state hash covers all but the rows of ids, for which their digest stands.
"""

import hashlib
import struct
from typing import Final

from mypy_extensions import i64

from hotpath.core.accounts import CASH_LEVERAGE, H_ACCOUNT, H_AMOUNT, H_ID, H_KIND, HOLD_SHIFT
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
    ACCOUNT_SHIFT,
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
    IN_BOOK,
    INSTRUMENT_SHIFT,
    O_ID,
    O_LEAVES,
    O_OLDER,
    O_OWNER,
    O_PRICE,
    P_INSTRUMENT,
    P_NEWEST_ORDER,
    P_OPEN_LOTS,
    P_SETTLED,
    P_TOTAL,
    POSITION_MASK,
    SIDE_MASK,
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
    X_PARTNER,
    X_PEG,
    X_PLACE,
    X_RATES,
    X_SESSION,
    X_SHOWN,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from hotpath.core.sessions import S_NUMBER, SESSION_SHIFT
from hotpath.core.state import State
from hotpath.core.sweeps import ANY
from shared.domain.records import BUY, GTC, LIMIT, RULES_VERSION, SELL, TICK_ROWS

Row = tuple[int, ...]

MAGIC: Final = 0x544F_4853_5041_4E53  # "SNAPSHOT"
FORMAT_VERSION: Final = 2
HEADER_WORDS: Final = 12
WIDTHS: Final = (20, 21, 6, 30, 4, 4, 9, 1, 4, 8, 10, 2)  # words of a row of each kind
CHECK_BYTES: Final = 8

ACCOUNT_FIELDS: Final = (
    *(A_ID, A_CURRENCY, A_SEQUENCE, A_STATE, A_TOTAL, A_SETTLED, A_RESERVED, A_HELD),
    *(A_OPEN_ORDERS, A_GROUP, A_TIER, A_LEVERAGE, A_KILLED, A_MAX_ORDER_LOTS),
    *(A_MAX_ORDER_VALUE, A_MAX_POSITION, A_MAX_OPEN_ORDERS),
    *(A_THROTTLE, A_THROTTLE + 1, A_THROTTLE + 2),
)
INSTRUMENT_FIELDS: Final = (
    *(I_ID, I_CURRENCY, I_SEQUENCE, I_SESSION, I_TICK_VALUE, I_MAX_ORDER_LOTS, I_COLLAR_BPS),
    *(I_REFERENCE, I_LAST, I_HIGH, I_LOW, I_ISSUED_LOTS, I_TICK_TABLE, I_LOT_SIZE),
    *(I_MIN_NOTIONAL, I_STATIC_BPS, I_DYNAMIC_BPS, I_COLLAR_ACTION, I_BAND_BPS, I_BREAKER_BPS),
    I_UNCROSS_ORDER,
)
POSITION_FIELDS: Final = (P_TOTAL, P_SETTLED, P_OPEN_LOTS + BUY, P_OPEN_LOTS + SELL)
# Of an order with a cold row: what stands before and behind its link.
COLD_FIELDS: Final = (
    *(X_DISPLAY, X_SHOWN, X_MINIMUM, X_STOP, X_OFFSET, X_PEG, X_MODE, X_LINK),
    *(X_SESSION, X_EXPIRY, X_LOCATE, X_FEE_WHOLE, X_FEE_PART, X_FEE_PAID),
    *(X_RATES, X_RATES + 1, X_RATES + 2, X_LEVERAGE),
)
BEFORE_LINK: Final = 8


def snapshot_bytes(state: State) -> bytes:
    """Return the state in its canonical form."""
    ids = _id_rows(state)
    packed = _pack(_rows_but_ids(state, len(ids))) + _pack(ids)
    return packed + digest(packed)


def state_hash(state: State) -> int:
    """Return 63 bits of the canonical form."""
    packed = _pack(_rows_but_ids(state, state.ids.count))
    return int.from_bytes(digest(packed), "little") >> 1


def digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest()


def _pack(rows: list[Row]) -> bytes:
    return b"".join([struct.pack(f"<{len(row)}q", *row) for row in rows])


def _rows_but_ids(state: State, id_count: int) -> list[Row]:
    orders = open_orders(state)
    tables = [_account_rows(state), _instrument_rows(state), _position_rows(state)]
    tables += [_order_rows(state, orders), _hold_rows(state), _tier_rows(state)]
    tables += [_tick_rows(state), [(group,) for group in sorted(state.house.killed_groups)]]
    tables += [_session_rows(state), _amended_rows(state), _sweep_rows(state, orders)]
    fixed = (MAGIC, FORMAT_VERSION, RULES_VERSION, int(state.sequence), int(state.time_ns))
    day = (int(state.day), int(state.day_ended_at))
    money = (int(state.accounts.issued_minor), int(state.accounts.fees_minor))
    flags = (int(state.house.firm_killed), int(state.careful), int(state.ids.digest))
    counts = (*[len(table) for table in tables], id_count)
    rows: list[Row] = [(*fixed, *day, *money, *flags, *counts)]
    for table in tables:
        rows += table
    return rows


def _account_rows(state: State) -> list[Row]:
    a = state.accounts.words
    rows: list[Row] = []
    for slot in range(1, state.accounts.count + 1):
        at = slot << ACCOUNT_SHIFT
        rows.append(tuple([int(a[at + field]) for field in ACCOUNT_FIELDS]))
    return sorted(rows)


def _instrument_rows(state: State) -> list[Row]:
    i = state.instruments.words
    rows: list[Row] = []
    for slot in range(1, state.instruments.count + 1):
        at = slot << INSTRUMENT_SHIFT
        rows.append(tuple([int(i[at + field]) for field in INSTRUMENT_FIELDS]))
    return sorted(rows)


def _position_rows(state: State) -> list[Row]:
    p = state.positions.words
    rows: list[Row] = []
    for account_slot in range(1, state.accounts.count + 1):
        account = account_slot << ACCOUNT_SHIFT
        for instrument_slot in range(1, state.instruments.count + 1):
            instrument = instrument_slot << INSTRUMENT_SHIFT
            at = state.positions.find(account, instrument)
            held = [int(p[at + field]) for field in POSITION_FIELDS]
            if any(held):
                account_id = int(state.accounts.words[account + A_ID])
                rows.append((account_id, int(state.instruments.words[instrument + I_ID]), *held))
    return sorted(rows)


def open_orders(state: State) -> list[int]:
    """Return the offsets of all open orders as they were accepted."""
    found: list[int] = []
    for account_slot in range(1, state.accounts.count + 1):
        if state.accounts.words[(account_slot << ACCOUNT_SHIFT) + A_OPEN_ORDERS] == 0:
            continue
        for instrument_slot in range(1, state.instruments.count + 1):
            account = account_slot << ACCOUNT_SHIFT
            position = state.positions.find(account, instrument_slot << INSTRUMENT_SHIFT)
            order: i64 = state.positions.words[position + P_NEWEST_ORDER]
            while order != 0:
                found.append(int(order))
                order = state.orders.words[order + O_OLDER]
    by_age = sorted([(int(state.orders.accepted(order)), order) for order in found])
    return [order for _, order in by_age]


def _order_rows(state: State, orders: list[int]) -> list[Row]:
    by_priority = sorted([(int(state.orders.arrived(order)), order) for order in orders])
    ranks = {pair[1]: rank for rank, pair in enumerate(by_priority)}
    return [_order_row(state, order, ranks[order]) for order in orders]


def _order_row(state: State, order: i64, rank: int) -> Row:
    words = state.orders.words
    position = words[order + O_OWNER] & POSITION_MASK
    instrument = state.positions.words[position + P_INSTRUMENT]
    side = int(words[order + O_OWNER] & SIDE_MASK)
    first = (int(words[order + O_ID]), int(state.instruments.words[instrument + I_ID]), side)
    leaves = int(words[order + O_LEAVES])
    price = int(words[order + O_PRICE])
    row = state.orders.cold_of(order)
    if row == 0:
        plain = (LIMIT, GTC, 0, IN_BOOK, price, price, leaves, *[0] * 18, CASH_LEVERAGE)
        return (*first, *plain, rank)
    x = state.orders.cold
    if x[row + X_PLACE] != IN_BOOK:
        price = 0
    kind = (int(x[row + X_TYPE]), int(x[row + X_TIME]), int(x[row + X_FLAGS]))
    where = (int(x[row + X_PLACE]), price, int(x[row + X_LIMIT]), leaves)
    cold = [int(x[row + field]) for field in COLD_FIELDS]
    linked_id = 0
    if x[row + X_LINK] != 0 and x[row + X_PARTNER] != 0:
        linked_id = int(words[x[row + X_PARTNER] + O_ID])
    return (*first, *kind, *where, *cold[:BEFORE_LINK], linked_id, *cold[BEFORE_LINK:], rank)


def _hold_rows(state: State) -> list[Row]:
    h = state.holds.words
    rows: list[Row] = []
    for slot in range(1, state.holds.fresh):
        at = slot << HOLD_SHIFT
        if h[at + H_ID] != 0:
            account_id = state.accounts.words[h[at + H_ACCOUNT] + A_ID]
            amount, kind = int(h[at + H_AMOUNT]), int(h[at + H_KIND])
            rows.append((int(h[at + H_ID]), int(account_id), amount, kind))
    return sorted(rows)


def _tier_rows(state: State) -> list[Row]:
    tiers = state.house.tiers
    return [(number, *tiers[number]) for number in sorted(tiers) if number != 0]


def _tick_rows(state: State) -> list[Row]:
    rows: list[Row] = []
    for number in sorted(state.house.tick_tables):
        words: list[int] = []
        for start, step in state.house.tick_tables[number]:
            words += [start, step]
        if number != 0:
            rows.append((number, *words, *[0] * (2 * TICK_ROWS - len(words))))
    return rows


def _session_rows(state: State) -> list[Row]:
    s = state.sessions.words
    rows: list[Row] = []
    for slot in range(1, state.sessions.count + 1):
        at = slot << SESSION_SHIFT
        rows.append((int(s[at + S_NUMBER]), int(s[at]), int(s[at + 1]), int(s[at + 2])))
    return sorted(rows)


def _amended_rows(state: State) -> list[Row]:
    rows: list[Row] = []
    for key in sorted(state.house.amended):
        terms = state.house.amended[key]
        rows.append((*key, *(terms if len(terms) > 0 else [0] * 6)))
    return rows


def _sweep_rows(state: State, orders: list[int]) -> list[Row]:
    ages = [int(state.orders.accepted(order)) for order in orders]
    rows: list[Row] = []
    for sweep in state.sweeps:
        old_enough = len([age for age in ages if age <= sweep.until])
        account, instrument = -1, -1
        if sweep.account != ANY:
            account = int(state.accounts.words[sweep.account + A_ID])
        if sweep.instrument != ANY:
            instrument = int(state.instruments.words[sweep.instrument + I_ID])
        what = (old_enough, int(sweep.reason), account, int(sweep.group), instrument)
        times = (int(sweep.times), int(sweep.expired_at), int(sweep.expires))
        rows.append((*what, int(sweep.side), int(sweep.session), *times))
    return rows


def _id_rows(state: State) -> list[Row]:
    ids = state.ids
    rows: list[Row] = []
    for row in range(ids.mask + 1):
        key = ids.key(row)
        if key != 0:
            rows.append((int(key), int(ids.sequence(row))))
    return sorted(rows)
