"""The whole state in canonical bytes, and the state hash. `restore.py` is the way back.

`snapshot_layout.py` describes the bytes. The state hash covers all but the rows of ids, for which
their digest stands. The engine makes it while it runs, so no row becomes an object on the way.
"""

import hashlib

from librt.strings import BytesWriter, write_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import H_ACCOUNT, H_AMOUNT, H_ID, H_KIND, HOLD_SHIFT
from hotpath.core.ids import IdTable
from hotpath.core.layout import (
    A_ID,
    ACCOUNT_SHIFT,
    I_ID,
    INSTRUMENT_SHIFT,
    P_OPEN_LOTS,
    P_SETTLED,
    P_TOTAL,
)
from hotpath.core.sessions import S_NUMBER, SESSION_SHIFT
from hotpath.core.snapshot_layout import (
    ACCOUNT_FIELDS,
    ACCOUNTS,
    AMENDED,
    CHECK_BYTES,
    FORMAT_VERSION,
    GROUPS,
    HOLDS,
    IDS,
    INSTRUMENT_FIELDS,
    INSTRUMENTS,
    MAGIC,
    ORDERS,
    POSITION_FIELDS,
    POSITIONS,
    SESSIONS,
    SWEEPS,
    TABLES,
    TERMS,
    TICKS,
    TIERS,
    WIDTHS,
    write_fields,
    write_four,
)
from hotpath.core.snapshot_orders import pairs_by_age, write_orders, write_terms
from hotpath.core.sorting import sorted_pairs
from hotpath.core.state import State
from hotpath.core.sweeps import ANY
from hotpath.core.words import zeros
from shared.domain.records import BUY, RULES_VERSION, SELL


def snapshot_bytes(state: State) -> bytes:
    """Return the state in its canonical form."""
    counts = zeros(TABLES)
    body = _body(state, counts)
    packed = _head(state, counts) + body + _ids(state.ids)
    return packed + digest(packed)


def state_hash(state: State) -> int:
    """Return 63 bits of the canonical form."""
    counts = zeros(TABLES)
    body = _body(state, counts)
    hasher = hashlib.blake2b(_head(state, counts), digest_size=CHECK_BYTES)
    hasher.update(body)
    return int.from_bytes(hasher.digest(), "little") >> 1


def digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest()


def _head(state: State, counts: vec[i64]) -> bytes:
    out = BytesWriter()
    write_four(out, MAGIC, FORMAT_VERSION, RULES_VERSION, state.sequence)
    write_four(out, state.time_ns, state.day, state.day_ended_at, state.numbers_used)
    write_i64_le(out, state.accounts.issued_minor)
    killed: i64 = 1 if state.house.firm_killed else 0
    left: i64 = 1 if state.careful else 0
    write_four(out, state.accounts.fees_minor, killed, left, state.ids.digest)
    counts[IDS] = state.ids.count
    table: i64 = 0
    while table < TABLES:
        write_i64_le(out, counts[table])
        table += 1
    return out.getvalue()


def _body(state: State, counts: vec[i64]) -> bytes:
    """Return all rows but those of ids; note in `counts` how many of each kind there are."""
    state.ids.finish_forgetting()
    out = BytesWriter()
    accounts = _accounts_by_id(state)
    instruments = _instruments_by_id(state)
    counts[ACCOUNTS] = state.accounts.count
    counts[INSTRUMENTS] = state.instruments.count
    _write_rows(out, state.accounts.words, accounts, state.accounts.count, ACCOUNT_FIELDS)
    rows: vec[i64] = state.instruments.words
    _write_rows(out, rows, instruments, state.instruments.count, INSTRUMENT_FIELDS)
    counts[POSITIONS] = _write_positions(out, state, accounts, instruments)
    orders = pairs_by_age(state.orders, False)
    counts[ORDERS] = state.orders.count
    write_orders(out, state, orders)
    counts[TERMS] = write_terms(out, state, orders)
    counts[HOLDS] = _write_holds(out, state)
    counts[TIERS] = _write_tiers(out, state)
    counts[TICKS] = _write_ticks(out, state)
    counts[GROUPS] = _write_groups(out, state)
    counts[SESSIONS] = _write_sessions(out, state)
    counts[AMENDED] = _write_amended(out, state)
    counts[SWEEPS] = _write_sweeps(out, state, orders)
    return out.getvalue()


def _write_rows(
    out: BytesWriter, words: vec[i64], pairs: vec[i64], count: i64, fields: vec[i64]
) -> None:
    """Write the rows at the offsets that are the values of pairs."""
    index: i64 = 0
    while index < count:
        write_fields(out, words, pairs[2 * index + 1], fields)
        index += 1


# --- accounts, instruments, positions ------------------------------------------------------------


def _accounts_by_id(state: State) -> vec[i64]:
    """Return pairs of id and offset."""
    count: i64 = state.accounts.count
    pairs = zeros(2 * count)
    slot: i64 = 1
    while slot <= count:
        at: i64 = slot << ACCOUNT_SHIFT
        pairs[2 * slot - 2] = state.accounts.words[at + A_ID]
        pairs[2 * slot - 1] = at
        slot += 1
    return sorted_pairs(pairs, count)


def _instruments_by_id(state: State) -> vec[i64]:
    count: i64 = state.instruments.count
    pairs = zeros(2 * count)
    slot: i64 = 1
    while slot <= count:
        at: i64 = slot << INSTRUMENT_SHIFT
        pairs[2 * slot - 2] = state.instruments.words[at + I_ID]
        pairs[2 * slot - 1] = at
        slot += 1
    return sorted_pairs(pairs, count)


def _write_positions(
    out: BytesWriter, state: State, accounts: vec[i64], instruments: vec[i64]
) -> i64:
    """Write the positions that are not all zero; return how many."""
    p = state.positions.words
    found: i64 = 0
    one: i64 = 0
    while one < state.accounts.count:
        other: i64 = 0
        while other < state.instruments.count:
            at: i64 = state.positions.find(accounts[2 * one + 1], instruments[2 * other + 1])
            any_lots: i64 = p[at + P_TOTAL] | p[at + P_SETTLED]
            if any_lots | p[at + P_OPEN_LOTS + BUY] | p[at + P_OPEN_LOTS + SELL] != 0:
                write_i64_le(out, accounts[2 * one])
                write_i64_le(out, instruments[2 * other])
                write_fields(out, p, at, POSITION_FIELDS)
                found += 1
            other += 1
        one += 1
    return found


# --- small tables --------------------------------------------------------------------------------


def _write_holds(out: BytesWriter, state: State) -> i64:
    h = state.holds.words
    pairs = zeros(2 * state.holds.fresh)
    count: i64 = 0
    at: i64 = 1 << HOLD_SHIFT
    while at < state.holds.fresh << HOLD_SHIFT:
        if h[at + H_ID] != 0:
            pairs[2 * count] = h[at + H_ID]
            pairs[2 * count + 1] = at
            count += 1
        at += 1 << HOLD_SHIFT
    pairs = sorted_pairs(pairs, count)
    index: i64 = 0
    while index < count:
        at = pairs[2 * index + 1]
        account_id: i64 = state.accounts.words[h[at + H_ACCOUNT] + A_ID]
        write_four(out, h[at + H_ID], account_id, h[at + H_AMOUNT], h[at + H_KIND])
        index += 1
    return count


def _write_tiers(out: BytesWriter, state: State) -> i64:
    tiers = state.house.tiers
    numbers = [number for number in sorted(tiers) if number != 0]
    for number in numbers:
        maker, taker, auction = tiers[number]
        write_four(out, number, maker, taker, auction)
    return len(numbers)


def _write_ticks(out: BytesWriter, state: State) -> i64:
    tables = state.house.tick_tables
    numbers = [number for number in sorted(tables) if number != 0]
    for number in numbers:
        words: list[int] = [number]
        for start, step in tables[number]:
            words += [start, step]
        _write_list(out, words, WIDTHS[TICKS])
    return len(numbers)


def _write_list(out: BytesWriter, words: list[int], width: int) -> None:
    """Write words, and zeros up to `width` of them."""
    for word in words:
        write_i64_le(out, word)
    for _ in range(width - len(words)):
        write_i64_le(out, 0)


def _write_groups(out: BytesWriter, state: State) -> i64:
    groups = sorted(state.house.killed_groups)
    _write_list(out, groups, len(groups))
    return len(groups)


def _write_sessions(out: BytesWriter, state: State) -> i64:
    s = state.sessions.words
    count: i64 = state.sessions.count
    pairs = zeros(2 * count)
    slot: i64 = 1
    while slot <= count:
        pairs[2 * slot - 2] = s[(slot << SESSION_SHIFT) + S_NUMBER]
        pairs[2 * slot - 1] = slot << SESSION_SHIFT
        slot += 1
    pairs = sorted_pairs(pairs, count)
    index: i64 = 0
    while index < count:
        at: i64 = pairs[2 * index + 1]
        write_four(out, pairs[2 * index], s[at], s[at + 1], s[at + 2])
        index += 1
    return count


def _write_amended(out: BytesWriter, state: State) -> i64:
    amended = state.house.amended
    for key in sorted(amended):
        _write_list(out, list(key), len(key))
        _write_list(out, list(amended[key]), WIDTHS[AMENDED] - len(key))
    return len(amended)


def _write_sweeps(out: BytesWriter, state: State, by_age: vec[i64]) -> i64:
    for sweep in state.sweeps:
        old_enough: i64 = 0
        while old_enough < state.orders.count and by_age[2 * old_enough] <= sweep.until:
            old_enough += 1
        account: i64 = -1
        instrument: i64 = -1
        if sweep.account != ANY:
            account = state.accounts.words[sweep.account + A_ID]
        if sweep.instrument != ANY:
            instrument = state.instruments.words[sweep.instrument + I_ID]
        expires: i64 = 1 if sweep.expires else 0
        write_four(out, old_enough, sweep.reason, account, sweep.group)
        write_four(out, instrument, sweep.side, sweep.session, sweep.times)
        write_i64_le(out, sweep.expired_at)
        write_i64_le(out, expires)
    return len(state.sweeps)


def _ids(ids: IdTable) -> bytes:
    """Return the rows of ids."""
    pairs = zeros(2 * ids.count)
    index: i64 = 0
    row: i64 = 0
    while row <= ids.mask:
        if ids.key(row) != 0:
            pairs[index] = ids.key(row)
            pairs[index + 1] = ids.sequence(row)
            index += 2
        row += 1
    pairs = sorted_pairs(pairs, ids.count)
    out = BytesWriter()
    index = 0
    while index < 2 * ids.count:
        write_i64_le(out, pairs[index])
        index += 1
    return out.getvalue()
