"""Fills a new engine's state from a snapshot; `snapshot_layout.py` describes the bytes.

Rows are read where they lie: none becomes an object.
"""

import hashlib
from typing import Final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.account_watch import watch_account
from hotpath.core.accounts import owner
from hotpath.core.layout import (
    A_GROUP,
    A_OPEN_ORDERS,
    A_OWNER,
    A_RESERVED,
    ACCOUNT_SHIFT,
    I_LAST,
    INSTRUMENT_SHIFT,
    P_SETTLED,
    P_TOTAL,
)
from hotpath.core.restore_orders import note_margin, restore_orders
from hotpath.core.snapshot_layout import (
    ACCOUNT_FIELDS,
    ACCOUNTS,
    AMENDED,
    CHECK_BYTES,
    FORMAT_VERSION,
    GROUPS,
    HEADER_WORDS,
    HOLDS,
    IDS,
    INSTRUMENT_FIELDS,
    INSTRUMENTS,
    MAGIC,
    ORDERS,
    POSITIONS,
    SESSIONS,
    SWEEPS,
    TABLES,
    TICKS,
    TIERS,
    WIDTHS,
    read_fields,
)
from hotpath.core.sorting import sorted_pairs
from hotpath.core.state import State
from hotpath.core.sweeps import Sweep
from hotpath.core.words import zeros
from shared.domain.records import RULES_VERSION, TICK_ROWS

_ADDED_BY: Final = 2  # word of an account's or instrument's row: sequence that added it


def restore_state(state: State, data: bytes) -> None:
    """Fill an empty state from a snapshot; raise ValueError when that cannot be done."""
    if state.sequence != 0 or state.ids.count != 0:
        raise ValueError("a snapshot is restored into a new engine")
    starts = _starts(data)
    _check_room(state, data)
    _restore_header(state, data)
    _restore_ids(state, data, starts[IDS], _count(data, IDS))
    if state.ids.digest != _word(data, 12):
        raise ValueError("the snapshot's ids do not give its digest")
    _restore_house(state, data, starts)
    _restore_accounts(state, data, starts[ACCOUNTS])
    _restore_instruments(state, data, starts[INSTRUMENTS])
    _restore_positions(state, data, starts[POSITIONS])
    _restore_holds(state, data, starts[HOLDS])
    _restore_sessions(state, data, starts[SESSIONS])
    restore_orders(state, data, starts)
    _restore_sweeps(state, data, starts[SWEEPS])
    _watch_all(state)


def _word(data: bytes, index: i64) -> i64:
    """Return a word of the header."""
    return read_i64_le(data, index * 8)


def _count(data: bytes, table: i64) -> i64:
    """Return how many rows of a table there are."""
    return read_i64_le(data, (HEADER_WORDS + table) * 8)


def _starts(data: bytes) -> vec[i64]:
    """Return at which byte each table begins and the last one ends; raise unless all is whole."""
    at: i64 = (HEADER_WORDS + TABLES) * 8
    end: i64 = len(data) - CHECK_BYTES
    if end < at or not _is_sound(data):
        raise ValueError("the snapshot is damaged")
    versions = (_word(data, 0), _word(data, 1), _word(data, 2))
    if versions != (MAGIC, FORMAT_VERSION, RULES_VERSION):
        raise ValueError("the snapshot is of another format or rules version")
    starts = zeros(TABLES + 1)
    for table in range(TABLES):
        starts[table] = at
        count: i64 = _count(data, table)
        if not 0 <= count <= end:
            raise ValueError("the snapshot's rows are not as many as its header says")
        width: i64 = WIDTHS[table]
        at += width * 8 * count
    starts[TABLES] = at
    if at != end:
        raise ValueError("the snapshot's rows are not as many as its header says")
    return starts


def _is_sound(data: bytes) -> bool:
    body = memoryview(data)[:-CHECK_BYTES]
    return hashlib.blake2b(body, digest_size=CHECK_BYTES).digest() == data[-CHECK_BYTES:]


def _check_room(state: State, data: bytes) -> None:
    fits = (
        _count(data, ACCOUNTS) <= state.accounts.maximum
        and _count(data, INSTRUMENTS) <= state.instruments.maximum
        and _count(data, ORDERS) <= state.orders.maximum
        and _count(data, HOLDS) <= 2 * state.holds.maximum  # of both kinds
        and _count(data, SESSIONS) <= state.sessions.maximum
        and _count(data, AMENDED) <= state.max_amended
        and _count(data, IDS) <= state.ids.maximum
    )
    if not fits:
        raise ValueError("the snapshot is larger than this engine's tables")


def _restore_header(state: State, data: bytes) -> None:
    state.sequence = _word(data, 3)
    state.time_ns = _word(data, 4)
    state.day = _word(data, 5)
    state.day_ended_at = _word(data, 6)
    state.numbers_used = _word(data, 7)
    state.accounts.issued_minor = _word(data, 8)
    state.accounts.fees_minor = _word(data, 9)
    state.house.firm_killed = _word(data, 10) != 0
    state.careful = _word(data, 11) != 0
    state.work_due = state.careful


def _restore_ids(state: State, data: bytes, start: i64, count: i64) -> None:
    ids = state.ids
    ids.expect(count)
    at: i64 = start
    end: i64 = start + count * 16
    while at < end:
        ids.insert(read_i64_le(data, at), read_i64_le(data, at + 8), 0)
        at += 16


def _restore_house(state: State, data: bytes, starts: vec[i64]) -> None:
    house = state.house
    for row in _rows(data, starts, TIERS):
        house.tiers[row[0]] = (row[1], row[2], row[3])
    for row in _rows(data, starts, TICKS):
        pairs = [(row[1 + 2 * pair], row[2 + 2 * pair]) for pair in range(TICK_ROWS)]
        house.tick_tables[row[0]] = [pair for pair in pairs if pair[0] != 0]
    for row in _rows(data, starts, GROUPS):
        house.kill_group(row[0], True)
    for row in _rows(data, starts, AMENDED):
        house.amended[(row[0], row[1])] = tuple(row[2:]) if row[2] != 0 else ()


def _rows(data: bytes, starts: vec[i64], table: int) -> list[list[int]]:
    """Return the rows of a small table."""
    width = WIDTHS[table] * 8
    return [
        [int(read_i64_le(data, row + word)) for word in range(0, width, 8)]
        for row in range(int(starts[table]), int(starts[table + 1]), width)
    ]


def _as_added(data: bytes, start: i64, table: i64, width: i64) -> vec[i64]:
    """Return pairs of the sequence that added a row, and where the row lies, in that order."""
    count: i64 = _count(data, table)
    pairs = zeros(2 * count)
    index: i64 = 0
    while index < count:
        at: i64 = start + index * width * 8
        pairs[2 * index] = read_i64_le(data, at + _ADDED_BY * 8)
        pairs[2 * index + 1] = at
        index += 1
    return sorted_pairs(pairs, count)


def _restore_accounts(state: State, data: bytes, start: i64) -> None:
    count: i64 = _count(data, ACCOUNTS)
    pairs = _as_added(data, start, ACCOUNTS, WIDTHS[ACCOUNTS])
    index: i64 = 0
    while index < count:
        at: i64 = pairs[2 * index + 1]
        account_id: i64 = read_i64_le(data, at)
        account: i64 = state.accounts.add(account_id, read_i64_le(data, at + 8), pairs[2 * index])
        state.positions.add_account(account)
        a = state.accounts.words
        read_fields(data, at, a, account, ACCOUNT_FIELDS)
        a[account + A_RESERVED] = 0  # they are counted as the orders come back
        a[account + A_OPEN_ORDERS] = 0
        a[account + A_OWNER] = owner(account_id, a[account + A_GROUP])
        index += 1


def _restore_instruments(state: State, data: bytes, start: i64) -> None:
    count: i64 = _count(data, INSTRUMENTS)
    pairs = _as_added(data, start, INSTRUMENTS, WIDTHS[INSTRUMENTS])
    index: i64 = 0
    while index < count:
        at: i64 = pairs[2 * index + 1]
        instrument: i64 = state.instruments.add(
            read_i64_le(data, at),
            read_i64_le(data, at + 8),
            read_i64_le(data, at + 32),
            read_i64_le(data, at + 40),
            read_i64_le(data, at + 48),
            read_i64_le(data, at + 56),
            pairs[2 * index],
        )
        read_fields(data, at, state.instruments.words, instrument, INSTRUMENT_FIELDS)
        state.instruments.centre(instrument, state.instruments.words[instrument + I_LAST])
        index += 1


def _restore_positions(state: State, data: bytes, start: i64) -> None:
    p = state.positions.words
    at: i64 = start
    left: i64 = _count(data, POSITIONS)
    while left > 0:
        account: i64 = state.accounts.find(read_i64_le(data, at))
        instrument: i64 = state.instruments.find(read_i64_le(data, at + 8))
        position: i64 = state.positions.find(account, instrument)
        p[position + P_TOTAL] = read_i64_le(data, at + 16)
        p[position + P_SETTLED] = read_i64_le(data, at + 24)
        if p[position + P_TOTAL] < 0:
            note_margin(state, account)
        at += 48
        left -= 1


def _restore_holds(state: State, data: bytes, start: i64) -> None:
    at: i64 = start
    left: i64 = _count(data, HOLDS)
    while left > 0:
        id_: i64 = read_i64_le(data, at)
        account: i64 = state.accounts.find(read_i64_le(data, at + 8))
        amount: i64 = read_i64_le(data, at + 16)
        slot: i64 = state.holds.add(id_, account, amount, read_i64_le(data, at + 24))
        state.ids.set_slot(state.ids.find(id_), slot)
        at += 32
        left -= 1


def _restore_sessions(state: State, data: bytes, start: i64) -> None:
    at: i64 = start
    left: i64 = _count(data, SESSIONS)
    while left > 0:
        session: i64 = state.sessions.add(read_i64_le(data, at))
        s = state.sessions.words
        s[session] = read_i64_le(data, at + 8)
        s[session + 1] = read_i64_le(data, at + 16)
        s[session + 2] = read_i64_le(data, at + 24)
        at += 32
        left -= 1


def _restore_sweeps(state: State, data: bytes, start: i64) -> None:
    at: i64 = start
    left: i64 = _count(data, SWEEPS)
    while left > 0:
        # orders are numbered 1, 2, … by age now
        sweep = Sweep(read_i64_le(data, at), read_i64_le(data, at + 8))
        account_id: i64 = read_i64_le(data, at + 16)
        if account_id != -1:
            sweep.account = state.accounts.find(account_id)
        sweep.group = read_i64_le(data, at + 24)
        number: i64 = read_i64_le(data, at + 32)
        if number != -1:
            sweep.instrument = state.instruments.find(number)
        sweep.side = read_i64_le(data, at + 40)
        sweep.session = read_i64_le(data, at + 48)
        sweep.times = read_i64_le(data, at + 56)
        sweep.expired_at = read_i64_le(data, at + 64)
        sweep.expires = read_i64_le(data, at + 72) != 0
        state.sweeps.append(sweep)
        at += 80
        left -= 1


def _watch_all(state: State) -> None:
    """Set what plain orders have to look at, as if all that matters had just happened."""
    slot: i64 = 1
    while slot <= state.accounts.count:
        watch_account(state, slot << ACCOUNT_SHIFT)
        slot += 1
    slot = 1
    while slot <= state.instruments.count:
        state.instruments.watch(slot << INSTRUMENT_SHIFT)
        slot += 1
