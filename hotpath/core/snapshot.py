"""The whole state in canonical bytes, the state hash, and the way back.

Canonical means: the same for every implementation of the same rules. Rows stand in the order of
their ids, orders in the order in which they would trade. All words are 64 bits, little-endian:

    header      magic, format, rules version, sequence, time_ns, digest of the ids,
                then how many rows of each kind follow, in this order:
    account     id, currency, state, total, settled, reserved, held, open orders,
                limits (order lots, order value, position, open orders), sequence that added it
    instrument  id, currency, state, tick value, lowest price, highest price, largest order,
                collar, reference price, issued lots, sequence that added it
    position    account id, instrument id, total, settled, open buy lots, open sell lots
    order       id, instrument id, side, price, leaves
    hold        id, account id, amount
    id          id, first sequence
    check       eight bytes: BLAKE2b of all before

The state hash covers all but the rows of ids, for which their digest stands.
"""

import hashlib
import struct
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i64_le
from mypy_extensions import i64

from hotpath.core.accounts import (
    A_CURRENCY,
    A_HELD,
    A_ID,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_SEQUENCE,
    A_SETTLED,
    A_STATE,
    A_TOTAL,
    ACCOUNT_SHIFT,
    H_ACCOUNT,
    H_AMOUNT,
    H_ID,
    HOLD_SHIFT,
)
from hotpath.core.book import O_ID, O_LEAVES, O_NEXT, O_PRICE, ORDER_SHIFT, enter_level
from hotpath.core.instruments import (
    I_COLLAR_BPS,
    I_CURRENCY,
    I_ID,
    I_ISSUED_LOTS,
    I_MAX_ORDER_LOTS,
    I_MAX_PRICE,
    I_MIN_PRICE,
    I_REFERENCE,
    I_SEQUENCE,
    I_STATE,
    I_TICK_VALUE_MINOR,
    INSTRUMENT_SHIFT,
)
from hotpath.core.ladder import L_HEAD, LEVEL_SHIFT, NO_LEVEL
from hotpath.core.positions import P_OPEN_LOTS, P_SETTLED, P_TOTAL
from hotpath.core.state import State
from shared.domain.records import BUY, RULES_VERSION, SELL

MAGIC: Final = 0x544F_4853_5041_4E53  # "SNAPSHOT"
FORMAT_VERSION: Final = 1
_WIDTHS: Final = (13, 11, 6, 5, 3, 2)  # words of an account, instrument, position, order, hold, id
_ACCOUNTS: Final = 0  # places of tables in _WIDTHS
_INSTRUMENTS: Final = 1
_POSITIONS: Final = 2
_HOLDS: Final = 4
_ORDER_BYTES: Final = 5 * 8
_HEADER_WORDS: Final = 6 + 6
_CHECK_BYTES: Final = 8


def snapshot_bytes(state: State) -> bytes:
    """Return the state in its canonical form."""
    packed = _all_but_ids(state) + _packed_ids(state)
    return packed + _digest(packed)


def state_hash(state: State) -> int:
    """Return 63 bits of the canonical form."""
    return int.from_bytes(_digest(_all_but_ids(state)), "little") >> 1


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES).digest()


def _pack(rows: list[tuple[int, ...]]) -> bytes:
    return b"".join([struct.pack(f"<{len(row)}q", *row) for row in rows])


def _all_but_ids(state: State) -> bytes:
    tables = [_account_rows(state), _instrument_rows(state), _position_rows(state)]
    orders, holds = _packed_orders(state), _hold_rows(state)
    fixed = (MAGIC, FORMAT_VERSION, RULES_VERSION, state.sequence, state.time_ns)
    order_count = len(orders) // _ORDER_BYTES
    counts = (*[len(table) for table in tables], order_count, len(holds), state.ids.count)
    header: tuple[int, ...] = (*fixed, state.ids.digest, *counts)
    packed = [_pack([header]), *[_pack(table) for table in tables], orders, _pack(holds)]
    return b"".join(packed)


def _account_rows(state: State) -> list[tuple[int, ...]]:
    a = state.accounts.words
    fields = (A_ID, A_CURRENCY, A_STATE, A_TOTAL, A_SETTLED, A_RESERVED, A_HELD, A_OPEN_ORDERS)
    limits = (A_MAX_ORDER_LOTS, A_MAX_ORDER_VALUE, A_MAX_POSITION, A_MAX_OPEN_ORDERS, A_SEQUENCE)
    rows = []
    for slot in range(1, state.accounts.count + 1):
        at = slot << ACCOUNT_SHIFT
        rows.append(tuple([int(a[at + field]) for field in fields + limits]))
    return sorted(rows)


def _instrument_rows(state: State) -> list[tuple[int, ...]]:
    i = state.instruments.words
    fields = (I_ID, I_CURRENCY, I_STATE, I_TICK_VALUE_MINOR, I_MIN_PRICE, I_MAX_PRICE)
    terms = (I_MAX_ORDER_LOTS, I_COLLAR_BPS, I_REFERENCE, I_ISSUED_LOTS, I_SEQUENCE)
    rows = []
    for slot in range(1, state.instruments.count + 1):
        at = slot << INSTRUMENT_SHIFT
        rows.append(tuple([int(i[at + field]) for field in fields + terms]))
    return sorted(rows)


def _position_rows(state: State) -> list[tuple[int, ...]]:
    p = state.positions.words
    fields = (P_TOTAL, P_SETTLED, P_OPEN_LOTS + BUY, P_OPEN_LOTS + SELL)
    rows: list[tuple[int, ...]] = []
    for account_slot in range(1, state.accounts.count + 1):
        account = account_slot << ACCOUNT_SHIFT
        for instrument_slot in range(1, state.instruments.count + 1):
            instrument = instrument_slot << INSTRUMENT_SHIFT
            at = state.positions.find(account, instrument)
            held = [int(p[at + field]) for field in fields]
            if any(held):
                account_id = state.accounts.words[account + A_ID]
                rows.append((account_id, state.instruments.words[instrument + I_ID], *held))
    return sorted(rows)


def _packed_orders(state: State) -> bytes:
    """Return the open orders by instrument, bids before offers, in the order of their priority."""
    out = BytesWriter()
    o = state.book.words
    ladder = state.ladder
    for instrument_row in _instrument_rows(state):
        instrument_id: i64 = instrument_row[0]
        instrument = state.instruments.find(instrument_id)
        for side in (BUY, SELL):
            side_word: i64 = side
            book_side = state.instruments.side(instrument, side)
            level: i64 = ladder.best[book_side]
            while level != NO_LEVEL:
                order: i64 = ladder.levels[(level << LEVEL_SHIFT) + L_HEAD]
                while order != 0:
                    write_i64_le(out, o[order + O_ID])
                    write_i64_le(out, instrument_id)
                    write_i64_le(out, side_word)
                    write_i64_le(out, o[order + O_PRICE])
                    write_i64_le(out, o[order + O_LEAVES])
                    order = o[order + O_NEXT]
                level = ladder.next_after(book_side, level)
    return out.getvalue()


def _hold_rows(state: State) -> list[tuple[int, ...]]:
    h = state.holds.words
    rows: list[tuple[int, ...]] = []
    for slot in range(1, state.holds.fresh):
        at = slot << HOLD_SHIFT
        if h[at + H_ID] != 0:
            account_id = state.accounts.words[h[at + H_ACCOUNT] + A_ID]
            rows.append((h[at + H_ID], account_id, h[at + H_AMOUNT]))
    return sorted(rows)


def _packed_ids(state: State) -> bytes:
    ids = state.ids
    keys: list[int] = []
    row: i64 = 0
    while row <= ids.mask:
        key: i64 = ids.key(row)
        if key != 0:
            keys.append(key)
        row += 1
    keys.sort()
    out = BytesWriter()
    for number in keys:
        key = number
        write_i64_le(out, key)
        write_i64_le(out, ids.sequence(ids.find(key)))
    return out.getvalue()


# --- the way back --------------------------------------------------------------------------------


def restore_state(state: State, data: bytes) -> None:
    """Fill an empty state from a snapshot; raise ValueError when that cannot be done."""
    if state.sequence != 0 or state.ids.count != 0:
        raise ValueError("a snapshot is restored into a new engine")
    header = _header(data)
    _check_room(state, header)
    starts = _starts(header)
    state.sequence, state.time_ns = header[3], header[4]
    _restore_ids(state, data, starts[5], header[11])
    if state.ids.digest != header[5]:
        raise ValueError("the snapshot's ids do not give its digest")
    for row in _rows(data, starts, _ACCOUNTS):
        _restore_account(state, row)
    for row in _rows(data, starts, _INSTRUMENTS):
        _restore_instrument(state, row)
    for row in _rows(data, starts, _HOLDS):
        slot = state.holds.add(row[0], state.accounts.find(row[1]), row[2])
        state.ids.set_slot(state.ids.find(row[0]), slot)
    _restore_orders(state, data, starts[3], header[9])
    for row in _rows(data, starts, _POSITIONS):
        at = state.positions.find(state.accounts.find(row[0]), state.instruments.find(row[1]))
        for field, value in zip(_POSITION_FIELDS, row[2:], strict=True):
            state.positions.words[at + field] = value


_POSITION_FIELDS: Final = (P_TOTAL, P_SETTLED, P_OPEN_LOTS + BUY, P_OPEN_LOTS + SELL)


def _header(data: bytes) -> tuple[int, ...]:
    """Return the header's words of a snapshot that is whole and of this format."""
    body = data[:-_CHECK_BYTES]
    if len(body) < _HEADER_WORDS * 8 or _digest(body) != data[-_CHECK_BYTES:]:
        raise ValueError("the snapshot is damaged")
    header: tuple[int, ...] = struct.unpack_from(f"<{_HEADER_WORDS}q", body)
    if header[:3] != (MAGIC, FORMAT_VERSION, RULES_VERSION):
        raise ValueError("the snapshot is of another format or rules version")
    if _starts(header)[-1] != len(body):
        raise ValueError("the snapshot's rows are not as many as its header says")
    return header


def _starts(header: tuple[int, ...]) -> list[int]:
    """Return the byte where each table begins, and the end of the last one."""
    starts = [_HEADER_WORDS * 8]
    for width, count in zip(_WIDTHS, header[6:], strict=True):
        starts.append(starts[-1] + width * 8 * count)
    return starts


def _rows(data: bytes, starts: list[int], table: int) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack(f"<{_WIDTHS[table]}q", data[starts[table] : starts[table + 1]]))


def _check_room(state: State, header: tuple[int, ...]) -> None:
    accounts, instruments, _, orders, holds, ids = header[6:]
    fits = (
        accounts <= state.accounts.maximum
        and instruments <= state.instruments.maximum
        and orders <= state.book.maximum
        and holds <= state.holds.maximum
        and ids <= state.ids.maximum
    )
    if not fits:
        raise ValueError("the snapshot is larger than this engine's tables")


def _restore_ids(state: State, data: bytes, start: i64, count: i64) -> None:
    """Read the rows in place: there are many more of them than of all others together."""
    ids = state.ids
    ids.expect(count)
    at: i64 = start
    end: i64 = start + count * 16
    while at < end:
        ids.insert(read_i64_le(data, at), read_i64_le(data, at + 8), 0)
        at += 16


def _restore_account(state: State, row: tuple[int, ...]) -> None:
    offset = state.accounts.add(row[0], row[1], row[12])
    state.positions.add_account(offset)
    state.accounts.set_limits(offset, row[8], row[9], row[10], row[11])
    a = state.accounts.words
    fields = (A_STATE, A_TOTAL, A_SETTLED, A_RESERVED, A_HELD)
    for field, value in zip(fields, row[2:7], strict=True):
        a[offset + field] = value
    state.accounts.issued_minor += row[3]


def _restore_instrument(state: State, row: tuple[int, ...]) -> None:
    if not state.instruments.has_room(row[5] - row[4] + 1):
        raise ValueError("the snapshot is larger than this engine's ladder")
    offset = state.instruments.add(row[0], row[1], row[3], row[4], row[5], row[10])
    state.instruments.set_terms(offset, row[8], row[6], row[7])
    state.instruments.words[offset + I_STATE] = row[2]
    state.instruments.words[offset + I_ISSUED_LOTS] = row[9]


def _restore_orders(state: State, data: bytes, start: i64, count: i64) -> None:
    """Chain the orders twice: by account as they were accepted, by level as they stand."""
    ids = state.ids
    accepted: list[tuple[int, int]] = []
    at: i64 = start
    end: i64 = start + count * _ORDER_BYTES
    while at < end:
        accepted.append((ids.first_sequence(read_i64_le(data, at)), at))
        at += _ORDER_BYTES
    accepted.sort()
    for _, place in accepted:
        at = place
        order_id: i64 = read_i64_le(data, at)
        instrument: i64 = state.instruments.find(read_i64_le(data, at + 8))
        side: i64 = read_i64_le(data, at + 16)
        position: i64 = state.positions.find(state.accounts.find(order_id >> 32), instrument)
        price: i64 = read_i64_le(data, at + 24)
        order: i64 = state.book.add(order_id, price, read_i64_le(data, at + 32), position, side)
        ids.set_slot(ids.find(order_id), order >> ORDER_SHIFT)
    at = start
    while at < end:
        instrument = state.instruments.find(read_i64_le(data, at + 8))
        side = read_i64_le(data, at + 16)
        order = ids.slot(ids.find(read_i64_le(data, at))) << ORDER_SHIFT
        level: i64 = state.instruments.level(instrument, side, read_i64_le(data, at + 24))
        book_side: i64 = state.instruments.side(instrument, side)
        enter_level(state.ladder, state.book.words, order, book_side, level)
        at += _ORDER_BYTES
